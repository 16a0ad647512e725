/* The interactive shell: lines from readline, each run as a one-shot command would be. */
#pragma once

struct session;

/* Until `quit` or the end of input: an exit code. */
int prompt_run(struct session *session);
