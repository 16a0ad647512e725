/* The live view: the screen of `status`, and one list under it. */
#pragma once

struct session;
struct settings;

/* As a local command (locals.h). */
int top_run(struct session *session, struct settings *settings, int count, char **words);
