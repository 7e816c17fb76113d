// Long double functions, which glibc computes with the x87, and the floating-point environment: fenv(3), SIGFPE.
#define _GNU_SOURCE
#include "check.h"
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>

static const char *bits(long double value) {
  static char texts[8][40];
  static int next;
  char *text = texts[next++ & 7];
  uint64_t parts[2] = {0, 0};
  memcpy(parts, &value, 10);
  snprintf(text, 40, "%04x:%016lx", (unsigned)parts[1], parts[0]);
  return text;
}

static const char *raised(void) {
  static char text[32];
  int flags = fetestexcept(FE_ALL_EXCEPT);
  snprintf(text, 32, "%s%s%s%s%s", flags & FE_INVALID ? "I" : "", flags & FE_DIVBYZERO ? "Z" : "", flags & FE_OVERFLOW ? "O" : "",
           flags & FE_UNDERFLOW ? "U" : "", flags & FE_INEXACT ? "P" : "");
  return text;
}

static const volatile long double numbers[] = {
  0.0L, -0.0L, 1.0L, -1.0L, 0.5L, 2.0L, 3.0L, -7.25L, 10.0L, 0.1L, 1e-10L, -1e-10L, 1e-4000L, LDBL_MIN, LDBL_MAX, LDBL_TRUE_MIN, 1e18L,
  123456789.123456789L, M_PIl, M_PI_2l, M_PI_4l, M_El, 100.5L, 1e4000L, INFINITY, -INFINITY, NAN, 0.99999999999999999L, 1.0000000000000000001L,
};
enum { count = sizeof numbers / sizeof *numbers };

struct one { const char *name; long double (*function)(long double); int exact; };
struct two { const char *name; long double (*function)(long double, long double); int exact; };

// Processors' own approximations differ in the last of 64 bits: 17 digits of what isn't exact by definition.
static const char *shown(long double value, int exact) {
  static char texts[8][40];
  static int next;
  if (exact) return bits(value);
  char *text = texts[next++ & 7];
  snprintf(text, 40, "%.17Lg", value);
  return text;
}

static const struct one ones[] = {
  {"sqrtl", sqrtl, 1}, {"rintl", rintl, 1}, {"floorl", floorl, 1}, {"ceill", ceill, 1}, {"truncl", truncl, 1}, {"roundl", roundl, 1},
  {"nearbyintl", nearbyintl, 1}, {"logbl", logbl, 1}, {"sinl", sinl}, {"cosl", cosl}, {"tanl", tanl}, {"atanl", atanl}, {"asinl", asinl}, {"acosl", acosl}, {"expl", expl},
  {"exp2l", exp2l}, {"expm1l", expm1l}, {"exp10l", exp10l}, {"logl", logl}, {"log2l", log2l}, {"log10l", log10l}, {"log1pl", log1pl},
  {"cbrtl", cbrtl}, {"sinhl", sinhl}, {"coshl", coshl}, {"tanhl", tanhl}, {"asinhl", asinhl}, {"atanhl", atanhl},
  {"lgammal", lgammal}, {"erfl", erfl},
};
static const struct two twos[] = {
  {"fmodl", fmodl, 1}, {"remainderl", remainderl, 1}, {"nextafterl", nextafterl, 1}, {"scalbl", scalbl, 1}, {"hypotl", hypotl}, {"atan2l", atan2l},
  {"powl", powl},
};

static void functions(void) {
  for (size_t f = 0; f < sizeof ones / sizeof *ones; f++) {
    for (int i = 0; i < count; i++) {
      feclearexcept(FE_ALL_EXCEPT);
      long double result = ones[f].function(numbers[i]);
      say("%s(%Lg) = %s %s", ones[f].name, numbers[i], shown(result, ones[f].exact), raised());
    }
  }
  for (size_t f = 0; f < sizeof twos / sizeof *twos; f++) {
    for (int i = 0; i < count * count; i += 3) {
      long double a = numbers[i / count], b = numbers[i % count];
      feclearexcept(FE_ALL_EXCEPT);
      long double result = twos[f].function(a, b);
      say("%s(%Lg, %Lg) = %s %s", twos[f].name, a, b, shown(result, twos[f].exact), raised());
    }
  }
}

static void parts(void) {
  for (int i = 0; i < count; i++) {
    int exponent = 0, quotient = 0;
    long double whole = 0, fraction = frexpl(numbers[i], &exponent);
    if (!isfinite(numbers[i])) exponent = 0;
    say("frexpl %s %d", bits(fraction), exponent);
    say("modfl %s %s", bits(modfl(numbers[i], &whole)), bits(whole));
    say("remquol %s %d", bits(remquol(numbers[i], 3, &quotient)), quotient & 7);
    say("scalbnl %s %s %s", bits(scalbnl(numbers[i], 5)), bits(scalbnl(numbers[i], -16400)), bits(ldexpl(numbers[i], 40000)));
    say("lrintl %ld, class %d, sign %d", isfinite(numbers[i]) && fabsl(numbers[i]) < 1e18L ? lrintl(numbers[i]) : 0, fpclassify(numbers[i]), !!signbit(numbers[i]));
    say("%La %.21Lg %.5Lf %Le", numbers[i], numbers[i], fabsl(numbers[i]) < 1e20L ? numbers[i] : 0, numbers[i]);
  }
  static const char *const texts[] = {"1e4932", "1.18973149535723176502e4932", "1e-4951", "0x1.8p-16445", "0.1", "-3.3333333333333333333333", "nan", "-inf", "1e5000", "1e-5000", "0x.8p1"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    errno = 0;
    long double value = strtold(texts[i], 0);
    say("strtold(%s) = %s %d", texts[i], bits(value), errno);
  }
}

static void rounding(void) {
  static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
  volatile long double a = 1, b = 3, c = -2;
  volatile double d = 1, e = 3;
  for (int i = 0; i < 4; i++) {
    say("fesetround %d, then %d", fesetround(modes[i]), fegetround() == modes[i]);
    feclearexcept(FE_ALL_EXCEPT);
    say("%s %s %s %a", bits(a / b), bits(sqrtl(-c)), bits(c / b), d / e);
    say("%s %s %s", bits(rintl(2.5L)), bits(nearbyintl(-2.5L)), raised());
    say("%.17Lg %.17Lg", sinl(b), powl(b, 0.7L));
  }
  fesetround(FE_TONEAREST);
}

static void environment(void) {
  volatile long double zero = 0, one = 1, three = 3, result;
  fenv_t saved, held;
  feclearexcept(FE_ALL_EXCEPT);
  result = one / three;
  say("raised %s", raised());
  say("feholdexcept %d: %s", feholdexcept(&held), raised());
  result = one / zero;
  say("raised %s, %s", raised(), bits(result));
  say("feupdateenv %d: %s", feupdateenv(&held), raised());
  say("fegetenv %d", fegetenv(&saved));
  feclearexcept(FE_ALL_EXCEPT);
  feraiseexcept(FE_OVERFLOW | FE_INVALID);
  say("raised %s", raised());
  fesetenv(&saved);
  say("fesetenv: %s", raised());
  fesetround(FE_UPWARD);
  fesetenv(FE_DFL_ENV);
  say("default: round %d, %s", fegetround(), raised());
  fexcept_t flags;
  feraiseexcept(FE_DIVBYZERO);
  fegetexceptflag(&flags, FE_ALL_EXCEPT);
  feclearexcept(FE_ALL_EXCEPT);
  fesetexceptflag(&flags, FE_ALL_EXCEPT);
  say("fesetexceptflag: %s", raised());
  feclearexcept(FE_ALL_EXCEPT);
}

// FNSAVE and FRSTOR, FNSTENV and FLDENV, FBLD and FBSTP by hand; the pointers are the processor's own.
static void stored(void) {
  uint8_t state[108], again[108], environment[28], decimal[10];
  __asm__ volatile("fninit; fld1; fldpi; fldz; fnsave %0; frstor %0; fnsave %1; frstor %0; fnstenv %2; fninit" : "=m"(state), "=m"(again), "=m"(environment));
  say("control %x status %x tags %x", *(uint16_t *)state, *(uint16_t *)(state + 4), *(uint16_t *)(state + 8));
  say("same %d", memcmp(state + 28, again + 28, 80) == 0);
  say("environment %x %x %x", *(uint16_t *)environment, *(uint16_t *)(environment + 4), *(uint16_t *)(environment + 8));
  for (int i = 0; i < 3; i++) say("st%d %016lx", i, *(uint64_t *)(state + 28 + 10 * i));
  long double value = -123456789012345678.0L;
  __asm__ volatile("fldt %1; fbstp %0" : "=m"(decimal) : "m"(value));
  for (int i = 9; i >= 0; i--) printf("%02x", decimal[i]);
  long double back;
  __asm__ volatile("fbld %1; fstpt %0" : "=m"(back) : "m"(decimal));
  say(" %s", bits(back));
}

static sigjmp_buf out;
static void handle(int number, siginfo_t *info, void *context) {
  uint16_t *fpu = (uint16_t *)((ucontext_t *)context)->uc_mcontext.fpregs;
  say("signal %d code %d, status %x", number, info->si_code, fpu[1] & 0xbf);
  siglongjmp(out, 1);
}

static void traps(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  sigaction(SIGFPE, &action, 0);
  static const int kinds[] = {FE_DIVBYZERO, FE_INVALID, FE_OVERFLOW, FE_UNDERFLOW, FE_INEXACT};
  volatile long double zero = 0, one = 1, huge = LDBL_MAX, small = LDBL_MIN, three = 3, result;
  volatile double zeroDouble = 0, oneDouble = 1, resultDouble;
  for (int i = 0; i < 5; i++) {
    feclearexcept(FE_ALL_EXCEPT);
    say("feenableexcept %d, enabled %x", feenableexcept(kinds[i]), fegetexcept());
    if (!sigsetjmp(out, 1)) {
      switch (i) {
        case 0: result = one / zero; break;
        case 1: result = zero / zero; break;
        case 2: result = huge * huge; break;
        case 3: result = small * small; break;
        default: result = one / three;
      }
      __asm__ volatile("fwait");
      say("no signal");
    }
    __asm__ volatile("fninit");
    fesetenv(FE_DFL_ENV);
  }
  feenableexcept(FE_DIVBYZERO);
  if (!sigsetjmp(out, 1)) {
    resultDouble = oneDouble / zeroDouble;
    say("no signal");
  }
  fesetenv(FE_DFL_ENV);
  // An exception waits for the next instruction that looks for it, and FNCLEX takes it back.
  uint16_t control = 0x37b, status;
  if (!sigsetjmp(out, 1)) {
    __asm__ volatile("fninit; fldcw %1; fldz; fld1; fdivp; nop; fnstsw %0; fnclex; fwait; fninit" : "=m"(status) : "m"(control));
    say("cleared, status was %x", status);
    __asm__ volatile("fninit; fldcw %0; fldz; fld1; fdivp; nop; fnstcw %0; fld1" : "+m"(control));
    say("no signal");
  }
  __asm__ volatile("fnclex; fninit");
}

int main(void) {
  functions();
  parts();
  rounding();
  environment();
  stored();
  traps();
}
