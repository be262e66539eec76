// Svelte's compiler: runes everywhere, so that state is always visible as such.
export default { compilerOptions: { runes: true } };
