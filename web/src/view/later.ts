// The parts of the page that are no part of its first load. Shell fetches them together, a moment after the start or when
// one is asked for, so that all of them are there when the connection is not.
export { default as Browse } from './Browse.svelte';
export { default as Details } from './Details.svelte';
export { default as Help } from './Help.svelte';
export { default as NewRoom } from './NewRoom.svelte';
export { default as Search } from './Search.svelte';
export { default as Settings } from './Settings.svelte';
