/*
 * What the daemon does for each row of shared/commands.c. handlers.c is the table; the handlers are
 * in one file per family of commands. All run on the control thread.
 */
#pragma once

#include "control/request.h"

struct handler {
	const char *command;
	/* Checks arguments, asks cores or a fiber (request_ask(), request_errand()); NULL: nothing
	 * to prepare. */
	void (*begin)(struct control_request *request);
	/* Writes the rows, once those who were asked have answered. NULL for step. */
	void (*answer)(struct control_request *request);
	/*
	 * Instead of answer, for what lasts: called when those who were asked have answered and
	 * request->step_ns has come; true when it is over. Writes only while request_has_room().
	 */
	bool (*step)(struct control_request *request, uint64_t now_ns);
};

/* NULL when there is none. */
const struct handler *handler_find(struct str command);

/* Every command has a handler and every handler a command: NULL, or the name that has none. */
const char *handlers_check(void);

/* Asks every core whether it turns: the begin() of commands that say which cores are silent. */
void handle_ping(struct control_request *request);

/* status.c */
void handle_status(struct control_request *request);
void handle_health(struct control_request *request);
/* findings.c */
void handle_doctor(struct control_request *request);
/* lists.c */
void handle_core_list(struct control_request *request);
void handle_pool_list(struct control_request *request);
void handle_pool_show(struct control_request *request);
/* drained.c */
void handle_pool_drain(struct control_request *request);
void handle_pool_resume(struct control_request *request);
/* Once a second: tells the log when a pool is drained, or no more. */
void pools_tick(uint64_t now_ns);
/* cached.c */
void handle_cache_list(struct control_request *request);
void handle_cache_show(struct control_request *request);
void cache_flush_begin(struct control_request *request);
void handle_cache_flush(struct control_request *request);
/* breakers.c */
void handle_breaker_list(struct control_request *request);
void handle_breaker_show(struct control_request *request);
void handle_breaker_open(struct control_request *request);
void handle_breaker_close(struct control_request *request);
void handle_breaker_auto(struct control_request *request);
void handle_admission_show(struct control_request *request);
/* limiting.c */
void handle_limit_list(struct control_request *request);
void handle_limit_top(struct control_request *request);
void handle_limit_clear(struct control_request *request);
/* traffic.c */
void handle_route_list(struct control_request *request);
void handle_metrics_list(struct control_request *request);
/* crowd.c */
void user_list_begin(struct control_request *request);
void handle_user_list(struct control_request *request);
void session_list_begin(struct control_request *request);
void handle_session_list(struct control_request *request);
void user_lock_begin(struct control_request *request);
void user_unlock_begin(struct control_request *request);
void user_delete_begin(struct control_request *request);
void handle_user_change(struct control_request *request);
/* newcomers.c */
void user_create_begin(struct control_request *request);
void handle_user_create(struct control_request *request);
void user_reset_begin(struct control_request *request);
void handle_user_reset(struct control_request *request);
/* people.c */
void user_show_begin(struct control_request *request);
void handle_user_show(struct control_request *request);
void session_revoke_begin(struct control_request *request);
void handle_session_revoke(struct control_request *request);
void handle_key_list(struct control_request *request);
void handle_key_rotate(struct control_request *request);
/* certificates.c */
void handle_tls_list(struct control_request *request);
void handle_tls_reload(struct control_request *request);
/* heap.c */
void handle_mem_purge(struct control_request *request);
void handle_mem_profile(struct control_request *request);
/* Once a second: ends a profile whose time is over, gives back what a burst has left. */
void heap_tick(uint64_t now_ns);
/* How long one still runs; 0: none does. */
uint64_t heap_profile_left_ns(uint64_t now_ns);
/* profiling.c */
void prof_cpu_begin(struct control_request *request);
bool prof_cpu_step(struct control_request *request, uint64_t now_ns);
/* How long one still samples; 0: none does. */
uint64_t cpu_profile_left_ns(uint64_t now_ns);
/* windows.c */
void handle_latency_show(struct control_request *request);
void handle_latency_hist(struct control_request *request);
void handle_latency_reset(struct control_request *request);
/* databases.c */
void db_servers_begin(struct control_request *request);
void handle_db_ping(struct control_request *request);
void handle_db_topology(struct control_request *request);
void db_explain_begin(struct control_request *request);
void handle_db_explain(struct control_request *request);
void adopt_check_begin(struct control_request *request);
void handle_adopt_check(struct control_request *request);
/* indexing.c */
void indexes_begin(struct control_request *request);
void handle_index_list(struct control_request *request);
void handle_index_check(struct control_request *request);
void index_create_begin(struct control_request *request);
bool index_create_step(struct control_request *request, uint64_t now_ns);
void index_drop_begin(struct control_request *request);
void handle_index_drop(struct control_request *request);
/* memory.c */
void handle_mem_show(struct control_request *request);
/* memory_advice.c */
void handle_mem_pools(struct control_request *request);
void handle_mem_doctor(struct control_request *request);
/* conns.c */
void conn_list_begin(struct control_request *request);
bool conn_list_step(struct control_request *request, uint64_t now_ns);
void conn_kill_begin(struct control_request *request);
void handle_conn_kill(struct control_request *request);
void op_list_begin(struct control_request *request);
void handle_op_list(struct control_request *request);
/* What op_list_begin() was told, in a sentence: "POST /v1/auth/login for 2.1 s on core 0, ...". */
void op_list_print(const struct control_request *request, struct buf *text);
void op_kill_begin(struct control_request *request);
void handle_op_kill(struct control_request *request);
/* meta.c */
void handle_local(struct control_request *request);
void handle_meta_commands(struct control_request *request);
void handle_meta_version(struct control_request *request);
void handle_meta_schema(struct control_request *request);
void handle_meta_level(struct control_request *request);
/* configs.c */
void handle_config_show(struct control_request *request);
void handle_config_get(struct control_request *request);
void handle_config_state(struct control_request *request);
void config_check_begin(struct control_request *request);
void handle_config_check(struct control_request *request);
void config_reload_begin(struct control_request *request);
void config_rollback_begin(struct control_request *request);
void handle_config_change(struct control_request *request);
void handle_config_confirm(struct control_request *request);
void handle_config_undo(struct control_request *request);
void handle_config_history(struct control_request *request);
void handle_config_set(struct control_request *request);
void handle_config_unset(struct control_request *request);
void handle_log_level(struct control_request *request);
void handle_pool_resize(struct control_request *request);
void handle_trace_sample(struct control_request *request);
/* traces.c */
void handle_trace_list(struct control_request *request);
void handle_trace_show(struct control_request *request);
/* logs.c */
void log_tail_begin(struct control_request *request);
bool log_tail_step(struct control_request *request, uint64_t now_ns);
void handle_log_reopen(struct control_request *request);
/* waits.c */
void wait_begin(struct control_request *request);
bool wait_step(struct control_request *request, uint64_t now_ns);
/* reports.c */
void handle_report(struct control_request *request);
/* audits.c */
void handle_audit_list(struct control_request *request);
void handle_audit_verify(struct control_request *request);
/* upgrade.c */
void upgrade_begin(struct control_request *request);
bool upgrade_step(struct control_request *request, uint64_t now_ns);
/* process.c */
bool drain_step(struct control_request *request, uint64_t now_ns);
void handle_shutdown(struct control_request *request);
