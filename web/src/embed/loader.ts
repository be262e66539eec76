// `/embed.js`: makes `<moorline-chat>` work in any page. Small; the chat itself is a chunk with a hash, fetched when it is needed.
import { define } from '@moorline/client/element/element';

define(async () => (await import('./mount.ts')).mount, new URL(import.meta.url).origin);
