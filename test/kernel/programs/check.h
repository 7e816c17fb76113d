// What the test programs share: one line per fact, so that two systems can be compared by their output. No addresses, pids or times.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

// The result of a call: its value, or the name of its error.
static const char *outcome(long result) {
  static char texts[8][64];
  static int next;
  char *text = texts[next++ & 7];
  if (result == -1) snprintf(text, 64, "%s", strerrorname_np(errno));
  else snprintf(text, 64, "%ld", result);
  return text;
}

#define TELL(call) say("%s = %s", #call, outcome((long)(call)))
