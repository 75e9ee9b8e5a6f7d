/* test_judge.c: every rule of the judge, from the table judge_cases.def. */
#include "fl.h"
#include "test.h"

enum {
  NONE = 0,
  IN = FL_EV_IN,
  PRI = FL_EV_PRI,
  OUT = FL_EV_OUT,
  ERR = FL_EV_ERR,
  HUP = FL_EV_HUP,
  NVAL = FL_EV_NVAL,
  RDHUP = FL_EV_RDHUP,
  DEAD = IN | RDHUP | HUP | ERR | OUT
};
enum { INFERRED = 0, CERTAIN = 1 };

static fl_observation_t observation(fl_kind_t kind, fl_tcp_state_t state,
                                    unsigned events) {
  fl_observation_t seen = {
#define X(name, meaning) .name = -1,
#include "fl_observation.def"
#undef X
  };
  seen.kind = kind;
  seen.state = state;
  seen.events = events;
  return seen;
}

static void expect(const char *name, fl_observation_t seen, fl_status_t status,
                   int certain) {
  fl_verdict_t verdict = fl_judge(&seen);
  test_equal(name, verdict.status, status);
  test_equal(name, verdict.certain, certain);
}

static void test_cases(void) {
#define UNKNOWN(s, e) observation(FL_KIND_UNKNOWN, FL_TCP_##s, e)
#define BAD_FD(s, e) observation(FL_KIND_BAD_FD, FL_TCP_##s, e)
#define NOT_SOCKET(s, e) observation(FL_KIND_NOT_SOCKET, FL_TCP_##s, e)
#define NOT_STREAM(s, e) observation(FL_KIND_NOT_STREAM, FL_TCP_##s, e)
#define STREAM(s, e) observation(FL_KIND_STREAM, FL_TCP_##s, e)
#define TCP(s, e) observation(FL_KIND_TCP, FL_TCP_##s, e)
#define MPTCP(s, e) observation(FL_KIND_MPTCP, FL_TCP_##s, e)
#define CASE(name, status, certain, facts)                                     \
  {                                                                            \
    fl_observation_t seen = facts;                                             \
    expect(name, seen, FL_##status, certain);                                  \
  }
#include "judge_cases.def"
}

/* Nothing that a platform could write down makes the judge misbehave. */
static void test_total(void) {
  for (int kind = -1; kind <= FL_KIND_MPTCP + 1; kind++)
    for (int state = -1; state <= FL_TCP_CLOSING + 1; state++)
      for (unsigned events = 0; events < 0x80; events++) {
        fl_observation_t seen = {
#define X(name, meaning) .name = INT64_C(1) << 40,
#include "fl_observation.def"
#undef X
        };
        seen.kind = kind;
        seen.state = state;
        seen.events = events;
        test_equal("a known status", fl_judge(&seen).status <= FL_UNKNOWN, 1);
        fl_observation_t bare = observation(kind, state, events);
        test_equal("a known status", fl_judge(&bare).status <= FL_UNKNOWN, 1);
      }
}

static void test_unread(void) {
  fl_observation_t seen = observation(FL_KIND_TCP, FL_TCP_ESTABLISHED, IN | OUT);
  seen.unread = 0;
  test_equal("IN overrides an empty FIONREAD", fl_unread(&seen), 1);
  seen.unread = 4;
  test_equal("bytes", fl_unread(&seen), 4);
  seen = observation(FL_KIND_MPTCP, FL_TCP_ESTABLISHED, IN | RDHUP | OUT);
  seen.unread = 1;
  test_equal("MPTCP counts the FIN", fl_unread(&seen), 0);
  seen = observation(FL_KIND_TCP, FL_TCP_CLOSE_WAIT, IN | RDHUP | OUT);
  seen.unread = 0;
  test_equal("EOF is no byte", fl_unread(&seen), 0);
  seen = observation(FL_KIND_TCP, FL_TCP_LISTEN, NONE);
  test_equal("not told", fl_unread(&seen), -1);
}

int main(void) {
  test_cases();
  test_total();
  test_unread();
  return test_result("test_judge");
}
