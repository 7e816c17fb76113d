/** Sentences for a person, as they are sent (protocol.ts) and as the headless VM prints them. */
import type { Sentence } from '../protocol.ts';

/** `text` is in l10n/bundle.l10n.json too; `{0}`, `{1}` ... in it stand for the arguments. */
export function sentence(text: string, ...args: readonly (string | number)[]): Sentence {
  return { text, args };
}

export function english({ text, args }: Sentence): string {
  return text.replace(/\{(\d+)\}/g, (place, index: string) => String(args[Number(index)] ?? place));
}
