/* Completion scripts for bash, zsh and fish, made from the tables. */
#pragma once

/* An exit code. */
int completion_print(const char *shell);
