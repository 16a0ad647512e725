/* Many commands from a file: one a line, '#' begins a comment. */
#pragma once

struct session;

/* "-" is standard input. The exit code of the first line that failed, which is named. */
int batch_run(struct session *session, const char *path);
