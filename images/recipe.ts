/** What a recipe says. Recipes lie in `recipes/NAME.ts`, with `NAME.order.txt` beside them. */

export interface RecipeFile {
  /** Absolute path in the image; missing directories are made. */
  readonly path: string;
  /** The file's whole text. */
  readonly text: string;
  /** Permission bits, 0o644 unless said; the owner is root. */
  readonly mode?: number;
}

export interface Recipe {
  readonly name: string;
  readonly suite: string;
  /** Lines of /etc/apt/sources.list, used to build and left in the image. */
  readonly sources: readonly string[];
  /** Debian packages besides the essential ones; what they depend on comes along, what they recommend does not. */
  readonly packages: readonly string[];
  readonly user: { readonly name: string; readonly id: number; readonly shell: string; readonly groups: readonly string[] };
  readonly files: readonly RecipeFile[];
  /** Changes to the packages' own configuration files, made before the user's home is: `find` must be there once or more, and each becomes `by`. */
  readonly edits: readonly { readonly path: string; readonly find: string; readonly by: string }[];
  /** Commands (bash) run as root in the finished tree, for what its own programs make. Their effect must depend on nothing but the tree. */
  readonly commands: readonly string[];
  /** Absolute paths that are removed with all below them. A last part of `*` means every entry of the directory. */
  readonly remove: readonly string[];
  /** Paths that become another name of a file with the same bytes, by path: Debian ships some large programs twice. */
  readonly links: Readonly<Record<string, string>>;
  /** Commands whose files come first on the disk: to the prompt, and what people run first (in bash, without single quotes). See `trace.ts`. */
  readonly use: { readonly boot: readonly string[]; readonly later: readonly string[] };
  readonly disk: {
    /** Bytes, inodes, and uncompressed bytes of a chunk. */
    readonly size: number;
    readonly inodes: number;
    readonly chunkSize: number;
    readonly label: string;
    /** 32 hexadecimal digits; the hash seed too is made from it. */
    readonly uuid: string;
  };
}
