/** Makes an element, with a class and a text if given. */
export function element<K extends keyof HTMLElementTagNameMap>(name: K, className?: string, text?: string): HTMLElementTagNameMap[K];
export function element(name: string, className?: string, text?: string): HTMLElement;
export function element(name: string, className?: string, text?: string): HTMLElement {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** A small button with one of VS Code's icons; `label` is its name for everybody. */
export function iconButton(icon: string, label: string, act: () => void): HTMLElement {
  const button = element('vscode-toolbar-button');
  button.setAttribute('icon', icon);
  button.setAttribute('label', label);
  button.title = label;
  button.addEventListener('click', act);
  return button;
}
