/** The view "Linux VM" in the explorer: the VM's files as a tree, over the same file system; empty (and saying why) while the VM is off. */
import * as vscode from 'vscode';
import { diskRoot, type VmFileSystem } from './fileSystem.ts';
import { IntoDisk } from './intoDisk.ts';
import type { Machine } from './machine.ts';
import { messageOf, showErrors } from './showErrors.ts';

/** One row. Made anew at each reading; known to VS Code by its path. */
export interface DiskNode {
  readonly uri: vscode.Uri;
  readonly type: vscode.FileType;
}

const dragType = 'application/vnd.code.tree.linuxvm.files';

export class DiskTree implements vscode.TreeDataProvider<DiskNode>, vscode.TreeDragAndDropController<DiskNode>, vscode.Disposable {
  readonly #machine: Machine;
  readonly #files: VmFileSystem;
  readonly #changed = new vscode.EventEmitter<DiskNode | undefined>();
  readonly #view: vscode.TreeView<DiskNode>;
  readonly #subscriptions: vscode.Disposable[];
  /** Watches of the directories whose rows are shown, and the node VS Code knows each by; the root's node is undefined. */
  readonly #shown = new Map<string, { readonly node: DiskNode | undefined; readonly watch: vscode.Disposable }>();

  readonly onDidChangeTreeData = this.#changed.event;
  readonly dragMimeTypes = ['text/uri-list'];
  readonly dropMimeTypes = [dragType, 'text/uri-list', 'files'];

  constructor(machine: Machine, files: VmFileSystem) {
    this.#machine = machine;
    this.#files = files;
    this.#view = vscode.window.createTreeView('linuxVm.files', {
      treeDataProvider: this, dragAndDropController: this, showCollapseAll: true, canSelectMany: true,
    });
    this.#subscriptions = [
      this.#view,
      this.#view.onDidCollapseElement(event => this.#forget(event.element.uri.path)),
      machine.onDidChangeRunning(() => this.refresh()),
      files.onDidChangeFile(changes => this.#follow(changes)),
    ];
  }

  /** What a command without an argument is about: the selected rows. */
  get selection(): readonly DiskNode[] {
    return this.#view.selection;
  }

  refresh(): void {
    for (const path of [...this.#shown.keys()]) this.#forget(path);
    this.#changed.fire(undefined);
  }

  getTreeItem(node: DiskNode): vscode.TreeItem {
    const directory = (node.type & vscode.FileType.Directory) !== 0;
    const item = new vscode.TreeItem(node.uri, directory ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None);
    item.id = node.uri.path;
    item.contextValue = directory ? 'directory' : 'file';
    if (node.type & vscode.FileType.SymbolicLink) item.description = '→';
    if (!directory) item.command = { command: 'vscode.open', title: vscode.l10n.t('Open'), arguments: [node.uri] };
    return item;
  }

  async resolveTreeItem(item: vscode.TreeItem, node: DiskNode): Promise<vscode.TreeItem> {
    const lines = [node.uri.path];
    try {
      if (node.type & vscode.FileType.SymbolicLink) lines[0] += ` → ${await this.#files.readLink(node.uri)}`;
      const { mode, size, mtime } = await this.#files.status(node.uri);
      lines.push(`${mode.toString(8).padStart(4, '0')} · ${vscode.l10n.t('{0} bytes', size.toLocaleString())} · ${new Date(mtime).toLocaleString()}`);
    } catch (error) {
      lines.push(messageOf(error));
    }
    item.tooltip = lines.join('\n');
    return item;
  }

  async getChildren(node?: DiskNode): Promise<DiskNode[]> {
    if (!this.#machine.running) return [];
    const uri = node?.uri ?? diskRoot;
    this.#watch(uri, node);
    const entries = await this.#files.readDirectory(uri);
    const nodes = entries.map(([name, type]) => ({ uri: vscode.Uri.joinPath(uri, name), type }));
    return nodes.sort((a, b) => (b.type & vscode.FileType.Directory) - (a.type & vscode.FileType.Directory) || (a.uri.path < b.uri.path ? -1 : 1));
  }

  getParent(node: DiskNode): DiskNode | undefined {
    const uri = vscode.Uri.joinPath(node.uri, '..');
    return uri.path === '/' ? undefined : { uri, type: vscode.FileType.Directory };
  }

  handleDrag(nodes: readonly DiskNode[], data: vscode.DataTransfer): void {
    data.set(dragType, new vscode.DataTransferItem(nodes.map(node => node.uri.toString())));
    data.set('text/uri-list', new vscode.DataTransferItem(nodes.map(node => node.uri.toString()).join('\r\n')));
  }

  /** From within the VM: move. From elsewhere: copy in. Onto a file means into its directory. */
  async handleDrop(target: DiskNode | undefined, data: vscode.DataTransfer): Promise<void> {
    await showErrors(() => this.#drop(target, data));
  }

  async #drop(target: DiskNode | undefined, data: vscode.DataTransfer): Promise<void> {
    const uri = target?.uri ?? diskRoot;
    const directory = !target || target.type & vscode.FileType.Directory ? uri : vscode.Uri.joinPath(uri, '..');
    const into = new IntoDisk(this.#files, directory);
    const own = data.get(dragType)?.value as readonly string[] | undefined;
    if (own) {
      for (const source of own) await into.move(vscode.Uri.parse(source));
      return;
    }
    const list = await data.get('text/uri-list')?.asString();
    const sources = (list ?? '').split(/\r?\n/).filter(line => line && !line.startsWith('#')).map(line => vscode.Uri.parse(line));
    if (sources.length > 0) {
      for (const source of sources) await into.copy(source);
      return;
    }
    for (const [, item] of data) {
      const file = item.asFile();
      if (file) await into.write(file.name, () => file.data());
    }
  }

  dispose(): void {
    for (const path of [...this.#shown.keys()]) this.#forget(path);
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#changed.dispose();
  }

  #watch(uri: vscode.Uri, node: DiskNode | undefined): void {
    if (this.#shown.has(uri.path)) return;
    this.#shown.set(uri.path, { node, watch: this.#files.watch(uri, { recursive: false }) });
  }

  #forget(path: string): void {
    this.#shown.get(path)?.watch.dispose();
    this.#shown.delete(path);
  }

  /** Rows appear and go with their directories' entries; contents are none of the tree's business. */
  #follow(changes: readonly vscode.FileChangeEvent[]): void {
    const stale = new Set<string>();
    for (const { type, uri } of changes) {
      if (type === vscode.FileChangeType.Changed) continue;
      const parent = vscode.Uri.joinPath(uri, '..').path;
      if (this.#shown.has(parent)) stale.add(parent);
      if (type === vscode.FileChangeType.Deleted) this.#forget(uri.path);
    }
    for (const path of stale) this.#changed.fire(this.#shown.get(path)?.node);
  }
}
