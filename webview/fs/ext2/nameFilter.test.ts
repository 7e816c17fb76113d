import { describe, expect, it } from 'vitest';
import { NameFilter } from './nameFilter.ts';

describe('the filter of a directory\'s names', () => {
  it('has what was added, and little else', () => {
    const filter = new NameFilter(10_000 * 24);
    for (let i = 0; i < 10_000; i++) filter.add(`file-${i}`);
    for (let i = 0; i < 10_000; i++) expect(filter.mayHave(`file-${i}`)).toBe(true);
    let wrong = 0;
    for (let i = 10_000; i < 20_000; i++) if (filter.mayHave(`file-${i}`)) wrong++;
    expect(wrong).toBeLessThan(500);
  });

  it('says when it is full', () => {
    const filter = new NameFilter(8 * 4096);
    expect(filter.isFull).toBe(false);
    for (let i = 0; i < 10_000; i++) filter.add(`${i}`);
    expect(filter.isFull).toBe(true);
  });
});
