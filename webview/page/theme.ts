/** VS Code's colours, which it gives a webview as CSS variables, as xterm.js wants them. */
import type { ISearchDecorationOptions } from '@xterm/addon-search';
import type { ITheme } from '@xterm/xterm';
import { opaque } from './color.ts';

const ansi = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/** A way to read the colours of this moment: the first of several names that the theme has. */
function colorReader(): (...names: readonly string[]) => string | undefined {
  const style = getComputedStyle(document.documentElement);
  return (...names) => {
    for (const name of names) {
      const value = style.getPropertyValue(`--vscode-${name}`).trim();
      if (value) return value;
    }
    return undefined;
  };
}

/** The theme of this moment. The panel is an editor, so where a theme gives the terminal no background the editor's is taken. */
export function readTheme(): ITheme {
  const color = colorReader();
  const theme: Record<string, string | undefined> = {
    background: color('terminal-background', 'editor-background'),
    foreground: color('terminal-foreground', 'editor-foreground'),
    cursor: color('terminalCursor-foreground', 'terminal-foreground', 'editor-foreground'),
    cursorAccent: color('terminalCursor-background', 'terminal-background', 'editor-background'),
    selectionBackground: color('terminal-selectionBackground', 'editor-selectionBackground'),
    selectionForeground: color('terminal-selectionForeground'),
    selectionInactiveBackground: color('terminal-inactiveSelectionBackground', 'editor-inactiveSelectionBackground'),
    scrollbarSliderBackground: color('scrollbarSlider-background'),
    scrollbarSliderHoverBackground: color('scrollbarSlider-hoverBackground'),
    scrollbarSliderActiveBackground: color('scrollbarSlider-activeBackground'),
  };
  for (const name of ansi) {
    const capital = name[0]!.toUpperCase() + name.slice(1);
    theme[name] = color(`terminal-ansi${capital}`);
    theme[`bright${capital}`] = color(`terminal-ansiBright${capital}`);
  }
  return Object.fromEntries(Object.entries(theme).filter(([, value]) => value !== undefined)) as ITheme;
}

/** How the search's matches look. xterm.js takes backgrounds only as #RRGGBB; a theme of high contrast has borders in their place. */
export function readMatchDecorations(): ISearchDecorationOptions {
  const color = colorReader();
  const under = color('terminal-background', 'editor-background') ?? '#000000';
  const solid = (...names: readonly string[]) => {
    const value = color(...names);
    return value === undefined ? undefined : opaque(value, under);
  };
  const matchBackground = solid('terminal-findMatchHighlightBackground', 'editor-findMatchHighlightBackground');
  const matchBorder = color('terminal-findMatchHighlightBorder', 'editor-findMatchHighlightBorder');
  const activeMatchBackground = solid('terminal-findMatchBackground', 'editor-findMatchBackground');
  const activeMatchBorder = color('terminal-findMatchBorder', 'editor-findMatchBorder');
  return {
    ...(matchBackground ? { matchBackground } : {}), ...(matchBorder ? { matchBorder } : {}),
    ...(activeMatchBackground ? { activeMatchBackground } : {}), ...(activeMatchBorder ? { activeMatchBorder } : {}),
    matchOverviewRuler: color('terminalOverviewRuler-findMatchForeground') ?? matchBackground ?? matchBorder ?? '',
    activeMatchColorOverviewRuler: activeMatchBackground ?? activeMatchBorder ?? '',
  };
}

/** Said by VS Code, which knows it from its own setting or the system. */
export function usesScreenReader(): boolean {
  return document.body.classList.contains('vscode-using-screen-reader');
}

export function isHighContrast(): boolean {
  return document.body.classList.contains('vscode-high-contrast');
}

/** VS Code marks a change of theme on the body's class and the root's style. */
export function onThemeChange(act: () => void): void {
  const observer = new MutationObserver(act);
  observer.observe(document.body, { attributes: true, attributeFilter: ['class'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
}
