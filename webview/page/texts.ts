/** What a person reads in the page, by its English original, in the language that VS Code speaks. */
import type { Sentence } from '../protocol.ts';

export class Texts {
  #translations: Readonly<Record<string, string>> = {};

  use(translations: Readonly<Record<string, string>>): void {
    this.#translations = translations;
  }

  /** `{0}`, `{1}` ... stand for the arguments. Each original is in l10n/bundle.l10n.json too. */
  t(original: string, ...args: readonly (string | number)[]): string {
    const text = this.#translations[original] ?? original;
    return text.replace(/\{(\d+)\}/g, (place, index: string) => String(args[Number(index)] ?? place));
  }

  sentence({ text, args }: Sentence): string {
    return this.t(text, ...args);
  }
}
