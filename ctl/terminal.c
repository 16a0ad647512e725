/* See terminal.h. */
#include "ctl/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/client.h"
#include "shared/macros.h"

#define ENTER "\033[?1049h\033[?25l" /* the other screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"
/* An escape sequence comes in one piece, but for slow lines. */
#define SEQUENCE_MS 20

static struct termios before;
static volatile sig_atomic_t is_entered, is_resized;

/* Only what a signal handler may do. */
static void restore(void)
{
	if (!is_entered)
		return;
	is_entered = 0;
	(void)!write(STDOUT_FILENO, LEAVE, sizeof(LEAVE) - 1);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void on_crash(int number)
{
	restore();
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static void on_resize(_unused_ int number)
{
	is_resized = 1;
}

int terminal_enter(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGHUP, SIGQUIT };
	static bool is_registered;
	struct sigaction resize = { .sa_handler = on_resize };
	struct termios raw;

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
		return -ENOTTY;
	if (!is_registered) {
		(void)atexit(restore);
		for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
			(void)signal(crashes[i], on_crash);
		is_registered = true;
	}
	(void)sigaction(SIGWINCH, &resize, NULL);
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
		return -errno;
	is_entered = 1;
	(void)!write(STDOUT_FILENO, ENTER, sizeof(ENTER) - 1);
	return 0;
}

void terminal_leave(void)
{
	restore();
	(void)signal(SIGWINCH, SIG_DFL);
}

/* A byte, or -1: nothing within the time. */
static int byte_read(int timeout_ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char byte;

	if (poll(&in, 1, timeout_ms) <= 0)
		return -1;
	if (read(STDIN_FILENO, &byte, 1) != 1) {
		client_interrupted = 1; /* the terminal has gone */
		return -1;
	}
	return byte;
}

int terminal_key(int timeout_ms)
{
	int key = is_resized ? -1 : byte_read(timeout_ms);

	if (key < 0 && is_resized) {
		is_resized = 0;
		return KEY_RESIZED;
	}
	if (key < 0)
		return KEY_NONE;
	if (key != KEY_ESCAPE)
		return key;
	key = byte_read(SEQUENCE_MS);
	if (key != '[' && key != 'O')
		return KEY_ESCAPE;
	switch (byte_read(SEQUENCE_MS)) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C':
		return KEY_RIGHT;
	case 'D':
		return KEY_LEFT;
	case '5':
		return byte_read(SEQUENCE_MS) == '~' ? KEY_PAGE_UP : KEY_ESCAPE;
	case '6':
		return byte_read(SEQUENCE_MS) == '~' ? KEY_PAGE_DOWN : KEY_ESCAPE;
	default:
		return KEY_ESCAPE;
	}
}
