/* test.h: as much of a test framework as a table needs. */
#ifndef FL_TEST_H
#define FL_TEST_H

#include <stdio.h>
#include <stdlib.h>

enum { TEST_SKIPPED = 77 }; /* the exit code that means "not run here" */

static int test_failures;
static int test_checks;

static inline void test_equal(const char *what, long long actual,
                              long long expected) {
  test_checks++;
  if (actual == expected)
    return;
  test_failures++;
  fprintf(stderr, "FAILED %s: got %lld, expected %lld\n", what, actual,
          expected);
}

/* For setting up: without it the test means nothing. */
static inline void test_need(const char *what, int ok) {
  if (ok)
    return;
  perror(what);
  exit(EXIT_FAILURE);
}

static inline int test_result(const char *name) {
  printf("%s: %d checks, %d failed\n", name, test_checks, test_failures);
  return test_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
