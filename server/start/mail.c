/* From the configuration to a thread that sends mail: see start/mail.h. */
#include "start/mail.h"

#include <stdio.h>
#include <string.h>

#include "auth/mailer.h"
#include "observe/log.h"
#include "start/fail.h"
#include "start/secret_file.h"
#include "shared/err.h"
#include "shared/macros.h"
#include "shared/secret.h"

#define PASSWORD_BYTES_MAX 1024

static char password[PASSWORD_BYTES_MAX + 1];
static char folder[CONFIG_TEXT_BYTES + 16];

/* Beside the database, wherever that is. */
static const char *folder_of(const struct config *config)
{
	const char *path = config->store.path, *slash = strrchr(path, '/');

	if (config->mail.folder[0])
		return config->mail.folder;
	(void)snprintf(
		folder, sizeof(folder), "%.*smails", slash ? (int)(slash + 1 - path) : 0, path);
	return folder;
}

int mail_start(const struct config *config)
{
	static const enum transport_tls tls[] = { [STARTTLS_REQUIRED] = TLS_REQUIRED,
		[STARTTLS_OPTIONAL] = TLS_OPTIONAL,
		[STARTTLS_OFF] = TLS_OFF,
		[STARTTLS_IMPLICIT] = TLS_IMPLICIT };
	const char *at = strchr(config->mail.from, '@'), *why = "";
	const struct mailer_options options = {
		.transport = { .folder = folder_of(config),
			.host = config->mail.host,
			.port = (unsigned)config->mail.port,
			.tls = tls[config->mail.starttls],
			.ca_file = config->mail.ca_file,
			.user = config->mail.user,
			.password = password,
			.hello = at ? at + 1 : "",
			.timeout_ms = (unsigned)config->mail.timeout_ms },
		.is_smtp = config->mail.transport == MAIL_TRANSPORT_SMTP,
		.from = config->mail.from,
		.from_name = config->mail.from_name,
		.link_base = config->mail.link_base,
		.templates = config->mail.templates,
		.attempts_max = (unsigned)config->mail.attempts_max,
		.age_max_ms = (int64_t)config->mail.age_max_ms,
		.retry_base_ms = (int64_t)config->mail.retry_base_ms,
		.retry_max_ms = (int64_t)config->mail.retry_max_ms,
		.reset_ms = (int64_t)config->mail.reset_ms,
		.verify_ms = (int64_t)config->mail.verify_ms,
	};
	int r = 0;

	if (config->mail.transport == MAIL_TRANSPORT_NONE)
		return 0;
	if (config->mail.password_file[0])
		r = secret_file_read("mail.password_file", config->mail.password_file, password,
			sizeof(password));
	if (r < 0)
		return r;
	r = mailer_start(&options, &why);
	if (r < 0)
		return fail(options.is_smtp ? "mail" : "mail.folder", r, why);
	if (!options.is_smtp)
		log_event(LOG_LEVEL_WARN, "mail.files",
			STR("mails are written to files, and nobody gets them"),
			LOG_TEXT("path", str_cstr(options.transport.folder)));
	return 0;
}

void mail_stop(void)
{
	mailer_stop();
	secret_wipe(password, sizeof(password));
}
