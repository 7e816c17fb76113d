/** VS Code's colours, which it gives a webview as CSS variables, as xterm.js wants them. */
import type { ITheme } from '@xterm/xterm';

const ansi = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/** The theme of this moment. The panel is an editor, so where a theme gives the terminal no background the editor's is taken. */
export function readTheme(): ITheme {
  const style = getComputedStyle(document.documentElement);
  const color = (...names: readonly string[]): string | undefined => {
    for (const name of names) {
      const value = style.getPropertyValue(`--vscode-${name}`).trim();
      if (value) return value;
    }
    return undefined;
  };
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

/** Colours for the search's matches, which xterm.js takes only as #RRGGBB. */
export function readMatchColors(): { readonly match: string; readonly activeMatch: string } {
  const dark = !document.body.classList.contains('vscode-light') && !document.body.classList.contains('vscode-high-contrast-light');
  return dark ? { match: '#623315', activeMatch: '#9e6a03' } : { match: '#f8c9ab', activeMatch: '#e2a56f' };
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
