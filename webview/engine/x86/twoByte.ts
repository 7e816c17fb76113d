import type { RowSource } from './rows.ts';

/** Opcodes after 0F that aren't SIMD. SDM vol. 2 table A-3; groups 6, 7, 8, 9, 15, 16 of table A-6. */
export const TWO_BYTE: readonly RowSource[] = [
  ['0F 00 /0', 'SLDT', 'Rv/Mw'], ['0F 00 /1', 'STR', 'Rv/Mw'], ['0F 00 /2', 'LLDT', 'Ew', 'priv'], ['0F 00 /3', 'LTR', 'Ew', 'priv'],
  ['0F 00 /4', 'VERR', 'Ew'], ['0F 00 /5', 'VERW', 'Ew'],
  ['0F 01 /0 mem', 'SGDT', 'Ms'], ['0F 01 /1 mem', 'SIDT', 'Ms'], ['0F 01 /2 mem', 'LGDT', 'Ms', 'priv'], ['0F 01 /3 mem', 'LIDT', 'Ms', 'priv'],
  ['0F 01 /4', 'SMSW', 'Rv/Mw'], ['0F 01 /6', 'LMSW', 'Ew', 'priv'], ['0F 01 /7 mem', 'INVLPG', 'Mb', 'priv'],
  ['NP 0F 01 C1', 'VMCALL', '', 'vmx'], ['NP 0F 01 C2', 'VMLAUNCH', '', 'vmx'], ['NP 0F 01 C3', 'VMRESUME', '', 'vmx'], ['NP 0F 01 C4', 'VMXOFF', '', 'vmx'],
  ['NP 0F 01 C8', 'MONITOR', '', 'monitor priv'], ['NP 0F 01 C9', 'MWAIT', '', 'monitor priv'],
  ['NP 0F 01 CA', 'CLAC', '', 'smap priv'], ['NP 0F 01 CB', 'STAC', '', 'smap priv'],
  ['NP 0F 01 D0', 'XGETBV', '', 'xsave'], ['NP 0F 01 D1', 'XSETBV', '', 'xsave priv'], ['NP 0F 01 D4', 'VMFUNC', '', 'vmx'],
  ['NP 0F 01 D5', 'XEND', '', 'rtm'], ['NP 0F 01 D6', 'XTEST', '', 'rtm'],
  ['0F 01 D8', 'VMRUN', '', 'svm'], ['NP 0F 01 D9', 'VMMCALL', '', 'svm'], ['0F 01 DA', 'VMLOAD', '', 'svm'], ['0F 01 DB', 'VMSAVE', '', 'svm'],
  ['0F 01 DC', 'STGI', '', 'svm'], ['0F 01 DD', 'CLGI', '', 'svm'], ['0F 01 DE', 'SKINIT', '', 'svm'], ['0F 01 DF', 'INVLPGA', '', 'svm'],
  ['NP 0F 01 E8', 'SERIALIZE', '', 'serialize'], ['NP 0F 01 EE', 'RDPKRU', '', 'pku'], ['NP 0F 01 EF', 'WRPKRU', '', 'pku'],
  ['F3 0F 01 /5 mem', 'RSTORSSP', 'Mq', 'cet'], ['F3 0F 01 E8', 'SETSSBSY', '', 'cet priv'], ['F3 0F 01 EA', 'SAVEPREVSSP', '', 'cet'],
  ['F2 0F 01 E8', 'XSUSLDTRK', '', 'rtm'], ['F2 0F 01 E9', 'XRESLDTRK', '', 'rtm'],
  ['F3 0F 01 EC', 'UIRET', '', 'uintr o64'], ['F3 0F 01 ED', 'TESTUI', '', 'uintr o64'], ['F3 0F 01 EE', 'CLUI', '', 'uintr o64'], ['F3 0F 01 EF', 'STUI', '', 'uintr o64'],
  ['0F 01 F8', 'SWAPGS', '', 'priv o64'], ['0F 01 F9', 'RDTSCP', '', 'rdtscp'],
  ['NP 0F 01 FA', 'MONITORX', '', 'monitor'], ['F3 0F 01 FA', 'MCOMMIT', '', 'mcommit'], ['NP 0F 01 FB', 'MWAITX', '', 'monitor'], ['NP 0F 01 FC', 'CLZERO', '', 'clzero'],
  ['0F 02', 'LAR', 'Gv,Rv/Mw'], ['0F 03', 'LSL', 'Gv,Rv/Mw'],
  ['0F 05', 'SYSCALL', '', 'syscall o64'], ['0F 06', 'CLTS', '', 'priv'], ['0F 07', 'SYSRET', '', 'syscall priv o64'],
  ['0F 08', 'INVD', '', 'priv'], ['0F 09', 'WBINVD', '', 'priv'], ['F3 0F 09', 'WBNOINVD', '', 'priv'],
  ['0F 0B', 'UD2', '', 'ud'],
  ['0F 0D /0 mem', 'PREFETCH', 'Mb', 'prefetchw hint'], ['0F 0D /1 mem', 'PREFETCHW', 'Mb', 'prefetchw hint'], ['0F 0D /2 mem', 'PREFETCHWT1', 'Mb', 'prefetchw hint'],
  ['0F 0D /3 mem', 'PREFETCH', 'Mb', 'prefetchw hint'], ['0F 0D /4 mem', 'PREFETCH', 'Mb', 'prefetchw hint'], ['0F 0D /5 mem', 'PREFETCH', 'Mb', 'prefetchw hint'],
  ['0F 0D /6 mem', 'PREFETCH', 'Mb', 'prefetchw hint'], ['0F 0D /7 mem', 'PREFETCH', 'Mb', 'prefetchw hint'], ['0F 0D reg', 'NOP', 'Ev', 'hint'],

  ['0F 18 /0 mem', 'PREFETCHNTA', 'Mb', 'sse hint'], ['0F 18 /1 mem', 'PREFETCHT0', 'Mb', 'sse hint'], ['0F 18 /2 mem', 'PREFETCHT1', 'Mb', 'sse hint'],
  ['0F 18 /3 mem', 'PREFETCHT2', 'Mb', 'sse hint'],
  // Reserved NOPs: 18..1F but for what others have made of them.
  ['0F 18', 'NOP', 'Ev', 'hint'], ['0F 19', 'NOP', 'Ev', 'hint'], ['0F 1A', 'NOP', 'Ev', 'hint'], ['0F 1B', 'NOP', 'Ev', 'hint'],
  ['0F 1C', 'NOP', 'Ev', 'hint'], ['NP 0F 1C /0 mem', 'CLDEMOTE', 'Mb', 'cldemote hint'], ['0F 1D', 'NOP', 'Ev', 'hint'],
  ['0F 1E', 'NOP', 'Ev', 'hint'], ['F3 0F 1E FA', 'ENDBR64', '', 'cet hint'], ['F3 0F 1E FB', 'ENDBR32', '', 'cet hint'],
  // A NOP while shadow stacks are off: SSP isn't read.
  ['F3 0F 1E /1 reg', 'RDSSPD', 'Rd', 'cet hint'], ['F3 0F 1E /1 reg REX.W', 'RDSSPQ', 'Rq', 'cet hint'],
  ['0F 1F', 'NOP', 'Ev', 'hint'],

  // ModRM.rm is a register whatever mod says.
  ['0F 20', 'MOV', 'Rm,Cm', 'priv no66 modreg'], ['0F 21', 'MOV', 'Rm,Dm', 'priv no66 modreg'],
  ['0F 22', 'MOV', 'Cm,Rm', 'priv no66 modreg'], ['0F 23', 'MOV', 'Dm,Rm', 'priv no66 modreg'],

  ['0F 30', 'WRMSR', '', 'priv'], ['0F 31', 'RDTSC', '', 'tsc'], ['0F 32', 'RDMSR', '', 'priv'], ['0F 33', 'RDPMC', '', 'priv'],
  ['0F 34', 'SYSENTER', '', 'syscall'], ['0F 35', 'SYSEXIT', '', 'syscall priv'], ['0F 37', 'GETSEC', '', 'ud'],
  ['0F 40+cc', 'CMOVcc', 'Gv,Ev', 'cmov'],
  ['NP 0F 78', 'VMREAD', 'Em,Gm', 'vmx no66'], ['NP 0F 79', 'VMWRITE', 'Gm,Em', 'vmx no66'],
  ['0F 80+cc', 'Jcc', 'Jz', 'f64'], ['0F 90+cc', 'SETcc', 'Eb'],

  ['0F A0', 'PUSH', 'FS', 'd64'], ['0F A1', 'POP', 'FS', 'd64'], ['0F A2', 'CPUID'], ['0F A3', 'BT', 'Ev,Gv'],
  ['0F A4', 'SHLD', 'Ev,Gv,Ib'], ['0F A5', 'SHLD', 'Ev,Gv,CL'],
  ['0F A8', 'PUSH', 'GS', 'd64'], ['0F A9', 'POP', 'GS', 'd64'], ['0F AA', 'RSM', '', 'ud'], ['0F AB', 'BTS', 'Ev,Gv', 'lock'],
  ['0F AC', 'SHRD', 'Ev,Gv,Ib'], ['0F AD', 'SHRD', 'Ev,Gv,CL'],
  ['NP 0F AE /0 mem', 'FXSAVE', 'M', 'fxsr'], ['NP 0F AE /0 mem REX.W', 'FXSAVE64', 'M', 'fxsr'],
  ['NP 0F AE /1 mem', 'FXRSTOR', 'M', 'fxsr'], ['NP 0F AE /1 mem REX.W', 'FXRSTOR64', 'M', 'fxsr'],
  ['NP 0F AE /2 mem', 'LDMXCSR', 'Md', 'sse'], ['NP 0F AE /3 mem', 'STMXCSR', 'Md', 'sse'],
  ['NP 0F AE /4 mem', 'XSAVE', 'M', 'xsave'], ['NP 0F AE /4 mem REX.W', 'XSAVE64', 'M', 'xsave'],
  ['NP 0F AE /5 mem', 'XRSTOR', 'M', 'xsave'], ['NP 0F AE /5 mem REX.W', 'XRSTOR64', 'M', 'xsave'],
  ['NP 0F AE /6 mem', 'XSAVEOPT', 'M', 'xsaveopt'], ['NP 0F AE /6 mem REX.W', 'XSAVEOPT64', 'M', 'xsaveopt'],
  ['66 0F AE /6 mem', 'CLWB', 'Mb', 'clwb'], ['F3 0F AE /6 mem', 'CLRSSBSY', 'Mq', 'cet'],
  ['NP 0F AE /7 mem', 'CLFLUSH', 'Mb', 'clflush'], ['66 0F AE /7 mem', 'CLFLUSHOPT', 'Mb', 'clflushopt'],
  ['NP 0F AE /5 reg', 'LFENCE', '', 'sse2'], ['NP 0F AE /6 reg', 'MFENCE', '', 'sse2'], ['NP 0F AE /7 reg', 'SFENCE', '', 'sse'],
  ['F3 0F AE /0 reg', 'RDFSBASE', 'Ry', 'fsgsbase o64'], ['F3 0F AE /1 reg', 'RDGSBASE', 'Ry', 'fsgsbase o64'],
  ['F3 0F AE /2 reg', 'WRFSBASE', 'Ry', 'fsgsbase o64'], ['F3 0F AE /3 reg', 'WRGSBASE', 'Ry', 'fsgsbase o64'],
  ['F3 0F AE /4', 'PTWRITE', 'Ey', 'ptwrite'], ['F3 0F AE /5 reg', 'INCSSPD', 'Rd', 'cet'], ['F3 0F AE /5 reg REX.W', 'INCSSPQ', 'Rq', 'cet'],
  ['F3 0F AE /6 reg', 'UMONITOR', 'Ras', 'waitpkg'], ['F2 0F AE /6 reg', 'UMWAIT', 'Rd', 'waitpkg'], ['66 0F AE /6 reg', 'TPAUSE', 'Rd', 'waitpkg'],
  ['0F AF', 'IMUL', 'Gv,Ev'],
  ['0F B0', 'CMPXCHG', 'Eb,Gb', 'lock'], ['0F B1', 'CMPXCHG', 'Ev,Gv', 'lock'], ['0F B2 mem', 'LSS', 'Gv,Mp'], ['0F B3', 'BTR', 'Ev,Gv', 'lock'],
  ['0F B4 mem', 'LFS', 'Gv,Mp'], ['0F B5 mem', 'LGS', 'Gv,Mp'], ['0F B6', 'MOVZX', 'Gv,Eb'], ['0F B7', 'MOVZX', 'Gv,Ew'],
  ['F3 0F B8', 'POPCNT', 'Gv,Ev', 'popcnt'], ['0F B9', 'UD1', 'Gv,Ev', 'ud'],
  ['0F BA /4', 'BT', 'Ev,Ib'], ['0F BA /5', 'BTS', 'Ev,Ib', 'lock'], ['0F BA /6', 'BTR', 'Ev,Ib', 'lock'], ['0F BA /7', 'BTC', 'Ev,Ib', 'lock'],
  ['0F BB', 'BTC', 'Ev,Gv', 'lock'], ['0F BC', 'BSF', 'Gv,Ev'], ['F3 0F BC', 'TZCNT', 'Gv,Ev', 'bmi1'],
  ['0F BD', 'BSR', 'Gv,Ev'], ['F3 0F BD', 'LZCNT', 'Gv,Ev', 'lzcnt'], ['0F BE', 'MOVSX', 'Gv,Eb'], ['0F BF', 'MOVSX', 'Gv,Ew'],
  ['0F C0', 'XADD', 'Eb,Gb', 'lock'], ['0F C1', 'XADD', 'Ev,Gv', 'lock'], ['NP 0F C3 mem', 'MOVNTI', 'My,Gy', 'sse2'],
  ['0F C7 /1 mem', 'CMPXCHG8B', 'Mq', 'lock'], ['0F C7 /1 mem REX.W', 'CMPXCHG16B', 'Mdq', 'cx16 lock aligned'],
  ['NP 0F C7 /3 mem', 'XRSTORS', 'M', 'xsaves priv'], ['NP 0F C7 /3 mem REX.W', 'XRSTORS64', 'M', 'xsaves priv'],
  ['NP 0F C7 /4 mem', 'XSAVEC', 'M', 'xsavec'], ['NP 0F C7 /4 mem REX.W', 'XSAVEC64', 'M', 'xsavec'],
  ['NP 0F C7 /5 mem', 'XSAVES', 'M', 'xsaves priv'], ['NP 0F C7 /5 mem REX.W', 'XSAVES64', 'M', 'xsaves priv'],
  ['NP 0F C7 /6 mem', 'VMPTRLD', 'Mq', 'vmx'], ['66 0F C7 /6 mem', 'VMCLEAR', 'Mq', 'vmx'], ['F3 0F C7 /6 mem', 'VMXON', 'Mq', 'vmx'], ['NP 0F C7 /7 mem', 'VMPTRST', 'Mq', 'vmx'],
  ['NFx 0F C7 /6 reg', 'RDRAND', 'Rv', 'rdrand'], ['NFx 0F C7 /7 reg', 'RDSEED', 'Rv', 'rdseed'], ['F3 0F C7 /7 reg', 'RDPID', 'Rm', 'rdpid'],
  ['F3 0F C7 /6 reg', 'SENDUIPI', 'Rq', 'uintr o64'],
  ['0F C8+r', 'BSWAP', 'Zv'],
  ['0F FF', 'UD0', 'Gv,Ev', 'ud'],
];

/** Opcodes after 0F 38 and 0F 3A that aren't SIMD. SDM vol. 2 tables. */
export const THREE_BYTE: readonly RowSource[] = [
  ['66 0F 38 80 mem', 'INVEPT', 'Gm,Mdq', 'vmx'], ['66 0F 38 81 mem', 'INVVPID', 'Gm,Mdq', 'vmx'], ['66 0F 38 82 mem', 'INVPCID', 'Gm,Mdq', 'invpcid priv'],
  ['NFx 0F 38 F0 mem', 'MOVBE', 'Gv,Mv', 'movbe'], ['NFx 0F 38 F1 mem', 'MOVBE', 'Mv,Gv', 'movbe'],
  // The width of the destination is 4 or 8, REX.W's; that of the source is the operation's.
  ['F2 0F 38 F0', 'CRC32', 'Gy,Eb', 'sse4.2'], ['F2 0F 38 F1', 'CRC32', 'Gy,Ev', 'sse4.2'],
  ['66 0F 38 F5 mem', 'WRUSSD', 'Md,Gd', 'cet priv'], ['66 0F 38 F5 mem REX.W', 'WRUSSQ', 'Mq,Gq', 'cet priv'],
  ['NP 0F 38 F6 mem', 'WRSSD', 'Md,Gd', 'cet'], ['NP 0F 38 F6 mem REX.W', 'WRSSQ', 'Mq,Gq', 'cet'],
  ['66 0F 38 F6', 'ADCX', 'Gy,Ey', 'adx'], ['F3 0F 38 F6', 'ADOX', 'Gy,Ey', 'adx'],
  ['66 0F 38 F8 mem', 'MOVDIR64B', 'Gas,M', 'movdir64b'], ['F2 0F 38 F8 mem', 'ENQCMD', 'Gas,M', 'enqcmd'], ['F3 0F 38 F8 mem', 'ENQCMDS', 'Gas,M', 'enqcmd priv'],
  ['NP 0F 38 F9 mem', 'MOVDIRI', 'My,Gy', 'movdiri'],
];

/** General-register instructions with VEX: BMI1 and BMI2. SDM vol. 2 tables, group 17. */
export const VEX_GENERAL: readonly RowSource[] = [
  ['VEX.L0.0F38 F2', 'ANDN', 'Gy,By,Ey', 'bmi1'],
  ['VEX.L0.0F38 F3 /1', 'BLSR', 'By,Ey', 'bmi1'], ['VEX.L0.0F38 F3 /2', 'BLSMSK', 'By,Ey', 'bmi1'], ['VEX.L0.0F38 F3 /3', 'BLSI', 'By,Ey', 'bmi1'],
  ['VEX.L0.0F38 F5', 'BZHI', 'Gy,Ey,By', 'bmi2'], ['VEX.L0.F3.0F38 F5', 'PEXT', 'Gy,By,Ey', 'bmi2'], ['VEX.L0.F2.0F38 F5', 'PDEP', 'Gy,By,Ey', 'bmi2'],
  ['VEX.L0.F2.0F38 F6', 'MULX', 'Gy,By,Ey', 'bmi2'],
  ['VEX.L0.0F38 F7', 'BEXTR', 'Gy,Ey,By', 'bmi1'], ['VEX.L0.66.0F38 F7', 'SHLX', 'Gy,Ey,By', 'bmi2'], ['VEX.L0.F3.0F38 F7', 'SARX', 'Gy,Ey,By', 'bmi2'],
  ['VEX.L0.F2.0F38 F7', 'SHRX', 'Gy,Ey,By', 'bmi2'], ['VEX.L0.F2.0F3A F0', 'RORX', 'Gy,Ey,Ib', 'bmi2'],
];
