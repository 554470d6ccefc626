#include "client/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define PROGRESS_INTERVAL_MS 100
#define PROGRESS_BAR_COLUMNS 30

void
progress_start(struct progress *progress, bool is_wanted, uint64_t total)
{
	*progress = (struct progress){
	    .is_shown = is_wanted && isatty(STDERR_FILENO) != 0,
	    .total = total,
	    .start_ms = clock_monotonic_ms(),
	};
}

static void
draw_bar(uint64_t done, uint64_t total)
{
	char bar[PROGRESS_BAR_COLUMNS + 1];
	uint64_t filled;

	if (done > total)
		done = total;
	filled = total / PROGRESS_BAR_COLUMNS == 0
		     ? done * PROGRESS_BAR_COLUMNS / total
		     : done / (total / PROGRESS_BAR_COLUMNS);
	for (uint64_t i = 0; i < PROGRESS_BAR_COLUMNS; i++)
		bar[i] = i < filled ? '#' : '-';
	bar[PROGRESS_BAR_COLUMNS] = '\0';
	(void)fprintf(stderr, "[%s] %3u%%  ", bar,
	    (unsigned)(total / 100 == 0 ? done * 100 / total
					: done / (total / 100)));
}

void
progress_update(struct progress *progress, uint64_t done, uint64_t count)
{
	uint64_t now = clock_monotonic_ms();
	uint64_t elapsed = now - progress->start_ms;

	if (!progress->is_shown ||
	    (progress->is_drawn &&
		now - progress->drawn_ms < PROGRESS_INTERVAL_MS))
		return;
	progress->drawn_ms = now;
	progress->is_drawn = true;
	(void)fputs("\r\033[K", stderr);
	if (progress->total > 0)
		draw_bar(done, progress->total);
	(void)fprintf(stderr, "%llu sent", (unsigned long long)count);
	if (elapsed >= 1000)
		(void)fprintf(stderr, ", %llu/s",
		    (unsigned long long)(count * 1000 / elapsed));
}

void
progress_clear(struct progress *progress)
{
	if (progress->is_drawn)
		(void)fputs("\r\033[K", stderr);
	progress->is_drawn = false;
}
