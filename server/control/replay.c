/* Stored answers: see replay.h. */
#include "control/replay.h"

#include <errno.h>
#include <string.h>

#include "crypt/signing.h"
#include "shared/clock.h"
#include "shared/macros.h"

static struct entry {
	uint64_t until_ns; /* 0: free */
	uid_t uid;
	char key[FRAME_KEY_BYTES_MAX + 1];
	unsigned char digest[SHA256_BYTES]; /* of command and arguments */
	bool is_done;
	struct buf answer; /* frames, each without its id: see strip() */
} entries[REPLAY_ENTRIES_MAX];

static void entry_free(struct entry *entry)
{
	buf_deinit(&entry->answer);
	*entry = (struct entry){};
}

static struct entry *entry_find(const struct control_request *request)
{
	for (unsigned i = 0; i < REPLAY_ENTRIES_MAX; i++)
		if (entries[i].until_ns && entries[i].uid == request->peer->uid &&
			str_equal(request->req_key, str_cstr(entries[i].key)))
			return &entries[i];
	return NULL;
}

/* The oldest of those that are answered; NULL: none is. */
static struct entry *entry_oldest(void)
{
	struct entry *oldest = NULL;

	for (unsigned i = 0; i < REPLAY_ENTRIES_MAX; i++)
		if (entries[i].is_done && (!oldest || entries[i].until_ns < oldest->until_ns))
			oldest = &entries[i];
	return oldest;
}

static struct entry *entry_new(uint64_t now_ns)
{
	struct entry *oldest;

	for (unsigned i = 0; i < REPLAY_ENTRIES_MAX; i++)
		if (entries[i].until_ns && entries[i].until_ns <= now_ns)
			entry_free(&entries[i]);
	for (unsigned i = 0; i < REPLAY_ENTRIES_MAX; i++)
		if (!entries[i].until_ns)
			return &entries[i];
	oldest = entry_oldest();
	if (oldest)
		entry_free(oldest);
	return oldest;
}

static int digest_of(const struct control_request *request, struct str args,
	unsigned char digest[static SHA256_BYTES])
{
	_cleanup_(buf_deinit) struct buf text = buf_init(2 * FRAME_REQUEST_BYTES_MAX);
	int r = buf_printf(&text, "%s %d " STR_FORMAT, request->command->name, request->is_dry_run,
		STR_ARGS(args));

	if (r == 0)
		sha256(buf_str(&text), digest);
	return r;
}

/* Frames begin {"t":"row","id":7, and only the id differs in another request. */
#define ID_TEXT STR("\"id\":")

static struct str head_of(struct str line)
{
	ptrdiff_t comma = str_index(line, ',');

	return str_of(line.data, (size_t)comma + 1 + ID_TEXT.len);
}

static int answer_send(struct buf *out, struct str frames, int64_t id)
{
	struct str line;
	size_t before = out->len;
	int r = 0;

	while (r == 0 && frames.len && str_split(&frames, '\n', &line)) {
		struct str head = head_of(line);

		r = buf_printf(out, STR_FORMAT "%lld" STR_FORMAT "\n", STR_ARGS(head),
			(long long)id, STR_ARGS(str_skip(line, head.len)));
	}
	if (r < 0)
		out->len = before;
	return r;
}

int replay_begin(struct control_request *request, struct str args, uint64_t now_ns)
{
	struct entry *entry = entry_find(request);
	unsigned char digest[SHA256_BYTES];
	int r = digest_of(request, args, digest);

	if (r < 0)
		return r;
	if (entry && entry->until_ns > now_ns) {
		if (memcmp(entry->digest, digest, sizeof(digest)) != 0)
			return REPLAY_OTHER;
		if (!entry->is_done)
			return REPLAY_RUNNING;
		r = answer_send(request->out, buf_str(&entry->answer), request->id);
		return r < 0 ? r : REPLAY_SENT;
	}
	if (entry)
		entry_free(entry);
	entry = entry_new(now_ns);
	if (!entry)
		return REPLAY_FULL;
	*entry = (struct entry){ .until_ns = clock_after_ms(now_ns, REPLAY_MS),
		.uid = request->peer->uid,
		.answer = buf_init(REPLAY_ANSWER_BYTES_MAX) };
	memcpy(entry->key, request->req_key.data, request->req_key.len);
	memcpy(entry->digest, digest, sizeof(digest));
	return REPLAY_NEW;
}

/* The line without the digits of its id. */
static int strip(struct buf *answer, struct str line)
{
	struct str head = head_of(line), rest = str_skip(line, head.len);
	size_t digits = 0;

	while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9')
		digits++;
	return buf_printf(answer, STR_FORMAT STR_FORMAT "\n", STR_ARGS(head),
		STR_ARGS(str_skip(rest, digits)));
}

void replay_store(const struct control_request *request, size_t from, uint64_t now_ns)
{
	struct entry *entry = entry_find(request);
	struct str frames = str_skip(buf_str(request->out), from), line, last = {};
	int r = 0;

	if (!entry)
		return;
	while (r == 0 && frames.len && str_split(&frames, '\n', &line)) {
		if (line.len)
			last = line;
		r = line.len ? strip(&entry->answer, line) : 0;
	}
	if (r < 0) {
		/* Too long to repeat: that it is done is what matters. */
		while (frames.len && str_split(&frames, '\n', &line))
			last = line.len ? line : last;
		buf_clear(&entry->answer);
		r = strip(&entry->answer, last);
	}
	if (r < 0) {
		entry_free(entry);
		return;
	}
	entry->is_done = true;
	entry->until_ns = clock_after_ms(now_ns, REPLAY_MS);
}

void replay_forget(const struct control_request *request)
{
	struct entry *entry = entry_find(request);

	if (entry && !entry->is_done)
		entry_free(entry);
}

void replay_deinit(void)
{
	for (unsigned i = 0; i < REPLAY_ENTRIES_MAX; i++)
		entry_free(&entries[i]);
}
