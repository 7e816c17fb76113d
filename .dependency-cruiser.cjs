// Who may import whom: see "layers" in the README. Anything that isn't allowed here is forbidden.
const layer = (name, path, to) => ({
  name,
  severity: 'error',
  from: { path, pathNot: '\\.test\\.ts$' },
  to: { pathNot: [path, ...to], path: '^(webview|src|images|test|scripts)/|^node:|^(fs|path|os|child_process|worker_threads)$|node_modules' },
});

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    layer('lib-imports-nothing', '^webview/lib/', []),
    layer('protocol-imports-nothing', '^webview/protocol\\.ts$', []),
    layer('extension-host', '^src/', ['^webview/protocol\\.ts$', 'node_modules/@types/vscode']),
    layer('page', '^webview/page/', ['^webview/protocol\\.ts$', 'node_modules/@xterm/', 'node_modules/@vscode-elements/', 'node_modules/@vscode/codicons']),
    layer('engine', '^webview/engine/', ['^webview/lib/']),
    layer('fs', '^webview/fs/', ['^webview/lib/', '^webview/kernel/abi/']),
    layer('kernel', '^webview/kernel/', ['^webview/lib/', '^webview/fs/']),
    layer('images', '^images/', ['^webview/lib/', '^webview/fs/block/', '^webview/kernel/abi/', '^node:', 'node_modules/@types/node', '^(fs|path|os|child_process)']),
    { name: 'kernel-sees-only-the-vfs', severity: 'error', from: { path: '^webview/kernel/', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/fs/(ext2|block|procfs)/' } },
    { name: 'abi-has-no-behaviour', severity: 'error', from: { path: '^webview/kernel/abi/', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/', pathNot: '^webview/(kernel/abi|lib)/' } },
    { name: 'syscall-families-apart', severity: 'error', from: { path: '^webview/kernel/syscalls/(?!table|strace)', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/kernel/(kernel\\.ts|run\\.ts|syscalls/(?!common|timeouts|controlMessages))' } },
    { name: 'mm-and-time-below-task', severity: 'error', from: { path: '^webview/kernel/(mm|time)/', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/kernel/(task|syscalls|exec|ipc|tty|socket|files|kernel\\.ts|run\\.ts)' } },
    { name: 'nothing-above-syscalls', severity: 'error', from: { path: '^webview/kernel/(abi|mm|time|task|exec|ipc|tty|socket|files)/', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/kernel/(syscalls/|kernel\\.ts|run\\.ts)' } },
    { name: 'interpreter-below-jit', severity: 'error', from: { path: '^webview/engine/(interpreter|mmu)/', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/engine/jit/' } },
    { name: 'x86-below-semantics', severity: 'error', from: { path: '^webview/engine/x86/', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/engine/(semantics|interpreter|jit|mmu|wasm)/' } },
    { name: 'semantics-below-interpreter', severity: 'error', from: { path: '^webview/engine/semantics/', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/engine/(interpreter|jit)/' } },
    { name: 'wasm-knows-no-x86', severity: 'error', from: { path: '^webview/engine/wasm/', pathNot: '\\.test\\.ts$' }, to: { path: '^webview/engine/(x86|semantics|interpreter|jit|mmu)/' } },
    { name: 'only-src-imports-vscode', severity: 'error', from: { pathNot: '^(src|test)/' }, to: { path: '^vscode$' } },
  ],
  options: { tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' }, tsConfig: { fileName: 'tsconfig.base.json' }, enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'] } },
};
