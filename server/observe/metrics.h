/*
 * THE table of metrics: name, type, unit, labels, help, and how to read it. /metrics, authctl and
 * the documents are made from its rows. Here are also the counters and times that cores write
 * themselves; everything else is read where it is counted anyway: control/metering.c.
 *
 * Each core has a block of its own and writes it without any lock or read-modify-write, so
 * counting costs a few nanoseconds; who reads adds the blocks up. Labels come from closed sets,
 * never from what a client sent. Next: exposition.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "observe/exemplars.h"
#include "shared/histogram.h"
#include "shared/str.h"

struct buf;

enum metric {
	METRIC_BUILD_INFO,
	METRIC_START_TIME,
	METRIC_READY,
	METRIC_DRAINING,
	METRIC_HTTP_REQUESTS,
	METRIC_HTTP_DURATION,
	METRIC_HTTP_STAGE,
	METRIC_HTTP_IN_FLIGHT,
	METRIC_HTTP_ERRORS,
	METRIC_HTTP_RECEIVED,
	METRIC_HTTP_SENT,
	METRIC_HTTP_COMPRESSED,
	METRIC_CONNECTIONS_OPEN,
	METRIC_CONNECTIONS_ACCEPTED,
	METRIC_CONNECTIONS_REJECTED,
	METRIC_TLS_HANDSHAKES,
	METRIC_TLS_HANDSHAKES_OPEN,
	METRIC_TLS_HANDSHAKES_MAX,
	METRIC_TLS_CERTIFICATE,
	METRIC_TLS_CRL,
	METRIC_LOGINS,
	METRIC_TOKENS_ISSUED,
	METRIC_TOKEN_VALIDATIONS,
	METRIC_SESSIONS_ACTIVE,
	METRIC_HASH_DURATION,
	METRIC_HASH_QUEUE,
	METRIC_HASH_LANES,
	METRIC_HASHES_SHARED,
	METRIC_HASHES_ABANDONED,
	METRIC_ADMISSION_IN_PROGRESS,
	METRIC_ADMISSION_DECISIONS,
	METRIC_RATE_LIMIT,
	METRIC_SIGNATURES_WAITING,
	METRIC_SIGNATURES_REFUSED,
	METRIC_DB_UP,
	METRIC_DB_DURATION,
	METRIC_DB_ERRORS,
	METRIC_DB_POOL_CONNECTIONS,
	METRIC_DB_POOL_MAX,
	METRIC_DB_POOL_WAITERS,
	METRIC_DB_POOL_WAIT,
	METRIC_DB_POOL_TIMEOUTS,
	METRIC_DB_POOL_REJECTIONS,
	METRIC_BREAKER_STATE,
	METRIC_BREAKER_TRANSITIONS,
	METRIC_BREAKER_REJECTIONS,
	METRIC_MAILS,
	METRIC_MAILS_WAITING,
	METRIC_CACHE_REQUESTS,
	METRIC_CACHE_ENTRIES,
	METRIC_CACHE_BYTES,
	METRIC_CACHE_EVICTIONS,
	METRIC_CORE_BUSY,
	METRIC_CORE_LOOP,
	METRIC_URING_CQ_OVERFLOWS,
	METRIC_URING_SQ_FULL,
	METRIC_BUFFERS_EXHAUSTED,
	METRIC_MEMORY,
	METRIC_MEMORY_LIMIT,
	METRIC_ALLOCATOR,
	METRIC_CONFIG_GENERATION,
	METRIC_CONFIG_SUCCESS,
	METRIC_CONFIG_RELOADS,
	METRIC_OVERRIDES,
	METRIC_CTL_COMMANDS,
	METRIC_LOG_DROPPED,
	METRIC_LOG_SUPPRESSED,
	METRIC_TRACE_SPANS,
	METRIC_TRACE_FAILURES,
	METRIC_CPU,
	METRIC_RSS,
	METRIC_OPEN_FDS,
	METRIC_MAX_FDS,
	METRIC_SCRAPES,
	METRIC_SERIES, /* the last: it counts the others */
	METRICS
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_INFO };

#define METRIC_LABELS_MAX 4

struct metric_row {
	const char *name;
	enum metric_type type;
	const char *unit;                      /* "seconds", "bytes", "" */
	const char *labels[METRIC_LABELS_MAX]; /* up to the first NULL */
	const char *help;
	const char *reading; /* for people: what to look at it for, when to worry */
};

extern const struct metric_row metrics[METRICS];

/* "counter", "gauge", "histogram", "info". */
const char *metric_type_name(enum metric_type type);
/* By its name; METRICS when there is none. */
enum metric metric_find(struct str name);
/* The whole table as Markdown, for the documents. 0, -ENOBUFS, -ENOMEM. */
#define METRICS_DOCUMENT_BYTES_MAX 65536
int metrics_document(struct buf *text);

/* --- what cores record --- */

/* Values of labels. A value that does not fit its set is shown as "other". */
enum { METRIC_METHODS = 8, METRIC_CLASSES = 6 }; /* as enum http_method; status / 100 */
#define METRIC_ROUTES_MAX 64                     /* 0 is "unmatched" */
#define METRIC_OPS_MAX 48

enum metric_stage { STAGE_QUEUE, STAGE_PARSE, STAGE_DB, STAGE_HASH, STAGE_WRITE, STAGES };
/* What a fiber's waits were for (fiber_spend()), told apart where they end. */
enum spent { SPENT_QUEUE, SPENT_STORE, SPENT_HASH };

enum metric_error {
	ERROR_TIMEOUT,
	ERROR_TOO_LARGE,
	ERROR_BAD_REQUEST,
	ERROR_OVERLOADED,
	ERROR_LIMITED,
	ERROR_STORE,
	ERROR_INTERNAL,
	ERROR_ABORTED, /* its client went before the answer */
	ERROR_REASONS
};
enum metric_login {
	LOGIN_RESULT_SUCCESS,
	LOGIN_RESULT_BAD_SECRET,
	LOGIN_RESULT_UNKNOWN,
	LOGIN_RESULT_LOCKED,
	LOGIN_RESULT_LIMITED,
	LOGIN_RESULT_SUSPENDED,
	LOGIN_RESULT_UNVERIFIED,
	LOGIN_RESULT_ERROR,
	LOGIN_RESULTS
};
enum metric_grant { GRANT_PASSWORD, GRANT_REGISTER, GRANT_REFRESH, GRANTS };
enum metric_validation {
	VALIDATION_VALID,
	VALIDATION_INVALID,
	VALIDATION_EXPIRED,
	VALIDATION_REVOKED,
	VALIDATION_SUSPENDED,
	VALIDATION_ERROR,
	VALIDATIONS
};
enum metric_algorithm { ALGORITHM_BCRYPT, ALGORITHM_OTHER, ALGORITHMS };
enum metric_pool { POOL_READ, POOL_WRITE, POOLS };
enum metric_code_class {
	CODE_OVERLOADED,
	CODE_TIMEOUT,
	CODE_DOWN,
	CODE_CANCELED,
	CODE_OTHER,
	CODES
};

/* Before the cores: names of the routes (without "unmatched") and of the store's operations, which
 * stay where they are. */
void metrics_routes_set(const char *const *names, unsigned count);
void metrics_ops_set(const char *(*name_of)(unsigned op), const char *(*collection_of)(unsigned op),
	unsigned count);
const char *metrics_route_name(unsigned route); /* NULL behind the last */
const char *metrics_op_name(unsigned op);       /* likewise */
const char *metrics_stage_name(enum metric_stage stage);
const char *metrics_login_name(enum metric_login result);
const char *metrics_validation_name(enum metric_validation result);

/* On a core, at its start: from then on it records; before, what is recorded there is lost. 0,
 * -ENOMEM. */
int metrics_core_start(unsigned core);
/* After the cores: forgets everything. For tests. */
void metrics_reset(void);

/* On a core; else nothing happens. Values past their set count as the last. */
void metric_request(unsigned route, unsigned method, unsigned status, uint64_t took_ns);
/* Its trace has been kept: it is an example of how long such requests take. */
void metric_request_example(
	unsigned route, unsigned method, unsigned status, const struct exemplar *example);
void metric_stage(unsigned route, enum metric_stage stage, uint64_t ns);
void metric_error(enum metric_error reason);
void metric_login(enum metric_login result);
void metric_grant(enum metric_grant grant);
void metric_validation(enum metric_validation result);
void metric_hash(enum metric_algorithm algorithm, uint64_t ns);
/* A call that the store has answered; wait: until a connection took it. */
void metric_op(unsigned op, uint64_t ns);
void metric_op_failed(unsigned op, enum metric_code_class code);
void metric_pool_wait(enum metric_pool pool, uint64_t ns);

/* --- reading, any thread --- */

/* Every series of a metric that cores record: texts of its labels in the order of its row, and its
 * count, or its histogram (valid during the call). Histograms that nobody recorded are left out. */
struct metric_series {
	const char *labels[METRIC_LABELS_MAX];
	uint64_t count;
	const struct histogram *histogram; /* NULL: count is all */
	const struct exemplar *exemplars;  /* EXEMPLARS of it; NULL: it never has any */
};
typedef void metric_visit(const struct metric_series *series, void *arg);
/* False when the cores do not record it. */
bool metric_recorded_each(enum metric metric, metric_visit *visit, void *arg);

/*
 * Adds up what all cores have recorded for one route (all methods and status classes; stage STAGES)
 * or of one stage of it, into *into. route METRIC_ROUTES_MAX: all routes.
 */
void metric_times(unsigned route, unsigned stage, struct histogram *into);
/* The number of values in it: cheap. */
uint64_t metric_times_count(unsigned route, unsigned stage);
/* Memory of the histograms. */
uint64_t metrics_bytes(void);
