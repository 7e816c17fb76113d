/** Which keys in a terminal are acts of the panel; everything else belongs to the program in it, or to VS Code. */
import type { PageCommand } from '../protocol.ts';

type Key = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey'>;

/**
 * VS Code's own terminal keys for the system that the browser names in `userAgent`: Cmd on macOS, Ctrl+Shift on Linux, and on Windows
 * also Ctrl+C with a selection and Ctrl+V. Undefined if the key is none of ours.
 */
export function commandOfKey(event: Key, userAgent: string, hasSelection: boolean): PageCommand | undefined {
  const key = event.key.toLowerCase();
  if (event.altKey) return undefined;
  if (/Macintosh/.test(userAgent)) {
    if (!event.metaKey || event.ctrlKey || event.shiftKey) return undefined;
    return ({ c: hasSelection ? 'copy' : undefined, v: 'paste', a: 'selectAll', f: 'find', k: 'clear' } as const)[key as 'c'];
  }
  if (!event.ctrlKey || event.metaKey) return undefined;
  if (event.shiftKey) return ({ c: 'copy', v: 'paste', f: 'find' } as const)[key as 'c'];
  if (/Windows/.test(userAgent)) return ({ c: hasSelection ? 'copy' : undefined, v: 'paste' } as const)[key as 'c'];
  return undefined;
}
