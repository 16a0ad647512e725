/* The table of handlers: see handlers.h. */
#include "control/handlers.h"

#include "shared/macros.h"

void handle_ping(struct control_request *request)
{
	request_ask(request, NULL, NULL, 0);
}

static const struct handler handlers[] = {
	/* command, begin, answer, step */
	{ "status", handle_ping, handle_status, NULL },
	{ "health", handle_ping, handle_health, NULL },
	{ "doctor", handle_ping, handle_doctor, NULL },
	{ "core.list", handle_ping, handle_core_list, NULL },
	{ "conn.list", conn_list_begin, NULL, conn_list_step },
	{ "conn.kill", conn_kill_begin, handle_conn_kill, NULL },
	{ "op.list", op_list_begin, handle_op_list, NULL },
	{ "op.kill", op_kill_begin, handle_op_kill, NULL },
	{ "pool.list", NULL, handle_pool_list, NULL },
	{ "pool.show", NULL, handle_pool_show, NULL },
	{ "pool.drain", NULL, handle_pool_drain, NULL },
	{ "pool.resume", NULL, handle_pool_resume, NULL },
	{ "pool.resize", NULL, handle_pool_resize, NULL },
	{ "db.ping", db_servers_begin, handle_db_ping, NULL },
	{ "db.topology", db_servers_begin, handle_db_topology, NULL },
	{ "db.explain", db_explain_begin, handle_db_explain, NULL },
	{ "index.list", indexes_begin, handle_index_list, NULL },
	{ "index.check", indexes_begin, handle_index_check, NULL },
	{ "index.create", index_create_begin, NULL, index_create_step },
	{ "index.drop", index_drop_begin, handle_index_drop, NULL },
	{ "adopt.check", adopt_check_begin, handle_adopt_check, NULL },
	{ "cache.list", NULL, handle_cache_list, NULL },
	{ "cache.show", NULL, handle_cache_show, NULL },
	{ "cache.flush", cache_flush_begin, handle_cache_flush, NULL },
	{ "breaker.list", NULL, handle_breaker_list, NULL },
	{ "breaker.show", NULL, handle_breaker_show, NULL },
	{ "breaker.open", NULL, handle_breaker_open, NULL },
	{ "breaker.close", NULL, handle_breaker_close, NULL },
	{ "breaker.auto", NULL, handle_breaker_auto, NULL },
	{ "admission.show", NULL, handle_admission_show, NULL },
	{ "limit.list", NULL, handle_limit_list, NULL },
	{ "limit.top", NULL, handle_limit_top, NULL },
	{ "limit.clear", NULL, handle_limit_clear, NULL },
	{ "user.list", user_list_begin, handle_user_list, NULL },
	{ "user.create", user_create_begin, handle_user_create, NULL },
	{ "user.reset-password", user_reset_begin, handle_user_reset, NULL },
	{ "user.sessions", session_list_begin, handle_session_list, NULL },
	{ "user.lock", user_lock_begin, handle_user_change, NULL },
	{ "user.unlock", user_unlock_begin, handle_user_change, NULL },
	{ "user.delete", user_delete_begin, handle_user_change, NULL },
	{ "session.list", session_list_begin, handle_session_list, NULL },
	{ "user.show", user_show_begin, handle_user_show, NULL },
	{ "session.revoke", session_revoke_begin, handle_session_revoke, NULL },
	{ "key.list", NULL, handle_key_list, NULL },
	{ "key.rotate", NULL, handle_key_rotate, NULL },
	{ "tls.list", NULL, handle_tls_list, NULL },
	{ "tls.reload", NULL, handle_tls_reload, NULL },
	{ "route.list", NULL, handle_route_list, NULL },
	{ "latency.show", NULL, handle_latency_show, NULL },
	{ "latency.hist", NULL, handle_latency_hist, NULL },
	{ "latency.reset", NULL, handle_latency_reset, NULL },
	{ "metrics.list", NULL, handle_metrics_list, NULL },
	{ "mem.show", NULL, handle_mem_show, NULL },
	{ "mem.pools", NULL, handle_mem_pools, NULL },
	{ "mem.doctor", NULL, handle_mem_doctor, NULL },
	{ "mem.purge", NULL, handle_mem_purge, NULL },
	{ "mem.profile", NULL, handle_mem_profile, NULL },
	{ "mem.diff", NULL, handle_local, NULL },
	{ "prof.cpu", prof_cpu_begin, NULL, prof_cpu_step },
	{ "config.show", NULL, handle_config_show, NULL },
	{ "config.get", NULL, handle_config_get, NULL },
	{ "config.state", NULL, handle_config_state, NULL },
	{ "config.check", config_check_begin, handle_config_check, NULL },
	{ "config.reload", config_reload_begin, handle_config_change, NULL },
	{ "config.confirm", NULL, handle_config_confirm, NULL },
	{ "config.undo", NULL, handle_config_undo, NULL },
	{ "config.history", NULL, handle_config_history, NULL },
	{ "config.rollback", config_rollback_begin, handle_config_change, NULL },
	{ "config.set", NULL, handle_config_set, NULL },
	{ "config.unset", NULL, handle_config_unset, NULL },
	{ "log.tail", log_tail_begin, NULL, log_tail_step },
	{ "log.level", NULL, handle_log_level, NULL },
	{ "log.reopen", NULL, handle_log_reopen, NULL },
	{ "trace.list", NULL, handle_trace_list, NULL },
	{ "trace.show", NULL, handle_trace_show, NULL },
	{ "trace.sample", NULL, handle_trace_sample, NULL },
	{ "audit.list", NULL, handle_audit_list, NULL },
	{ "audit.verify", NULL, handle_audit_verify, NULL },
	{ "drain", NULL, NULL, drain_step },
	{ "upgrade", upgrade_begin, NULL, upgrade_step },
	{ "shutdown", NULL, handle_shutdown, NULL },
	{ "wait", wait_begin, NULL, wait_step },
	{ "report", handle_ping, handle_report, NULL },
	{ "meta.commands", NULL, handle_meta_commands, NULL },
	{ "meta.schema", NULL, handle_meta_schema, NULL },
	{ "meta.version", NULL, handle_meta_version, NULL },
	{ "meta.level", NULL, handle_meta_level, NULL },
};

const struct handler *handler_find(struct str command)
{
	for (unsigned i = 0; i < ARRAY_SIZE(handlers); i++)
		if (str_equal(command, str_cstr(handlers[i].command)))
			return &handlers[i];
	return NULL;
}

const char *handlers_check(void)
{
	for (unsigned i = 0; i < command_count; i++)
		if (!handler_find(str_cstr(commands[i].name)))
			return commands[i].name;
	for (unsigned i = 0; i < ARRAY_SIZE(handlers); i++)
		if (!command_find(str_cstr(handlers[i].command)))
			return handlers[i].command;
	return NULL;
}
