#include "tests/unit/client/group_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/group_epoch.h"
#include "client/group_inbox.h"
#include "client/groups.h"
#include "client/incoming_told.h"
#include "client/session_request.h"
#include "client/state_acks.h"
#include "client/state_group_outgoing.h"
#include "client/state_group_queue.h"
#include "client/state_groups.h"
#include "client/state_messages.h"
#include "wire/limits.h"
#include "wire/unpack.h"

#define PINNED_SARA STAGE_SET(STAGE_SARA)

/* Everybody's first epoch, entered. */
static struct stage_epoch
enter_first(const char *folder)
{
	struct stage_epoch first = stage_first();

	stage_open(folder, STAGE_ALL);
	stage_make(&first);
	stage_arrive_update(&first, NULL);
	stage_process(true);
	return first;
}

static void
end(struct stage_epoch *first, struct stage_epoch *second)
{
	if (first != NULL)
		buf_clear(&first->roster);
	if (second != NULL)
		buf_clear(&second->roster);
	stage_close();
}

static void
assert_group(enum group_status status, uint32_t epoch, uint64_t waiting)
{
	struct state_group group = {0};

	assert_ok(state_group_read(stage_state(), STAGE_GROUP, &group));
	assert_int_equal(group.status, status);
	assert_int_equal(group.epoch, epoch);
	assert_int_equal(group.waiting, waiting);
	state_group_clear(&group);
}

static void
assert_no_group(void)
{
	struct state_group group = {0};

	assert_status(state_group_read(stage_state(), STAGE_GROUP, &group),
	    STATUS_NOT_FOUND);
}

static void
assert_queue(uint64_t expected)
{
	uint64_t count = 99;

	assert_ok(state_group_items_count(stage_state(), &count));
	assert_int_equal(count, expected);
}

/* A message with the next index and counter of its own. */
static void
arrive_plain(const struct stage_epoch *epoch, enum stage_person sender,
    uint64_t index, uint64_t counter, uint8_t id)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "number %u", id);
	(void)stage_arrive_message(epoch, &(const struct stage_message){
					      .sender = sender,
					      .index = index,
					      .counter = counter,
					      .id = id,
					      .text = text,
					  });
}

static void
tell(void)
{
	struct client_error error;

	assert_ok(incoming_tell_set_aside(stage_session(), &error));
}

/* ---- Joining ---- */

static void
test_join_tells_who_is_in_and_reads(void **unused)
{
	struct stage_epoch first = enter_first("join");
	struct group group = {0};
	struct client_error error;

	(void)unused;
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	arrive_plain(&first, STAGE_SARA, 0, 1, 1);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; sara: number 1");
	stage_assert_set_aside(0);
	assert_queue(0);
	assert_ok(groups_find(
	    stage_session(), BYTES_LITERAL("@team"), &group, &error));
	assert_false(group.is_admin);
	assert_bytes(bytes_make(group.roster, group.roster_size),
	    buf_bytes(&first.roster));
	assert_memory_equal(
	    &group.roster_hash, &first.hash, sizeof(first.hash));
	group_clear(&group);
	end(&first, NULL);
}

static void
test_join_later_tells_of_oneself(void **unused)
{
	struct stage_epoch third = {
	    .epoch = 3,
	    .members = STAGE_ALL,
	    .admin = STAGE_SARA,
	    .signer = STAGE_SARA,
	    .name = "team",
	    .previous = &(const struct sha256_digest){.bytes = {5}},
	};

	(void)unused;
	stage_open("join_later", PINNED_SARA);
	stage_make(&third);
	stage_arrive_update(&third, NULL);
	/* Messages of two places; what was before we joined is not missing. */
	arrive_plain(&third, STAGE_REZA, 2, 40, 1);
	arrive_plain(&third, STAGE_REZA, 3, 41, 2);
	stage_process(true);
	stage_assert_history("sara joined hassan; reza: number 1 (missing 2);"
			     " reza: number 2 (forked)");
	assert_group(GROUP_STATUS_ACTIVE, 3, 0);
	end(&third, NULL);
}

static void
test_join_waits_for_a_look_up(void **unused)
{
	struct stage_epoch first = stage_first();

	(void)unused;
	stage_open("look_up", 0);
	stage_make(&first);
	stage_arrive_update(&first, NULL);
	arrive_plain(&first, STAGE_SARA, 0, 1, 1);
	stage_process(true);
	assert_no_group();
	assert_queue(2);
	stage_assert_set_aside(0);
	end(&first, NULL);
}

static void
test_join_refuses_another_key_than_the_pinned(void **unused)
{
	struct stage_epoch first = stage_first();

	(void)unused;
	stage_open("conflict", 0);
	stage_pin_other_key(STAGE_SARA);
	stage_make(&first);
	stage_arrive_update(&first, NULL);
	stage_process(true);
	assert_no_group();
	assert_queue(0);
	stage_assert_set_aside(1);
	tell();
	stage_assert_told(
	    "WARNING: 1 invitation to a group was set aside: it is signed by "
	    "another key than the one that is pinned to its author's name. "
	    "Somebody may be pretending to be that contact.");
	tell();
	stage_assert_told("");
	end(&first, NULL);
}

/* Each of these is wrong in one thing. */
static void
test_join_refuses_lies(void **unused)
{
	static const struct stage_lie lies[] = {
	    {.has_author = true, .author = STAGE_REZA},
	    {.has_wrong_hash = true},
	    {.letter_epoch = 2},
	    {.outer_epoch = 2},
	};
	struct stage_epoch first = stage_first();
	struct stage_epoch without = stage_first();
	struct stage_epoch foreign = stage_first();
	struct stage_epoch renamed = stage_first();

	(void)unused;
	stage_open("lies", STAGE_ALL);
	stage_make(&first);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		stage_arrive_update(&first, &lies[i]);
		stage_process(true);
		assert_no_group();
		stage_assert_set_aside(i + 1);
	}
	without.members &= ~STAGE_SET(STAGE_HASSAN);
	stage_make(&without);
	stage_arrive_update(&without, NULL);
	/* The first roster is by the admin that it names. */
	foreign.signer = STAGE_REZA;
	stage_make(&foreign);
	stage_arrive_update(&foreign, NULL);
	/* Nor does sara make it under another name than her own. */
	renamed.admin_name = "parviz";
	stage_make(&renamed);
	stage_arrive_update(&renamed, NULL);
	stage_process(true);
	assert_no_group();
	stage_assert_set_aside(7);
	assert_queue(0);
	stage_assert_history("");
	buf_clear(&foreign.roster);
	buf_clear(&renamed.roster);
	end(&first, &without);
}

/* A group that we are making is ours to begin. */
static void
test_join_leaves_own_groups_alone(void **unused)
{
	struct stage_epoch first = stage_first();

	(void)unused;
	stage_open("own", STAGE_ALL);
	assert_ok(state_begin(stage_state()));
	assert_ok(state_group_add(stage_state(), STAGE_GROUP, "mine", "", 0));
	assert_ok(state_commit(stage_state()));
	stage_make(&first);
	stage_arrive_update(&first, NULL);
	stage_process(true);
	assert_group(GROUP_STATUS_CREATING, 0, 0);
	stage_assert_set_aside(1);
	end(&first, NULL);
}

static void
test_join_tells_of_keys_that_differ_from_pins(void **unused)
{
	struct stage_epoch first = stage_first();
	struct stage_epoch second;

	(void)unused;
	stage_open("differ", PINNED_SARA | STAGE_SET(STAGE_NADIA));
	stage_pin_other_key(STAGE_REZA);
	stage_make(&first);
	stage_arrive_update(&first, NULL);
	stage_process(true);
	second = stage_after(&first);
	stage_make(&second);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	/* Once, and not with every epoch. */
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara key_conflict reza; sara key_refreshed");
	end(&first, &second);
}

/* ---- The next epoch ---- */

static void
test_update_tells_what_changes(void **unused)
{
	struct stage_epoch first = enter_first("changes");
	struct stage_epoch second = stage_after(&first), third, fourth;

	(void)unused;
	second.members &= ~STAGE_SET(STAGE_REZA);
	second.name = "crew";
	stage_make(&second);
	stage_arrive_update(&second, NULL);
	third = stage_after(&second);
	third.members |= STAGE_SET(STAGE_REZA);
	third.admin = STAGE_NADIA;
	stage_make(&third);
	stage_arrive_update(&third, NULL);
	fourth = stage_after(&third);
	stage_make(&fourth);
	stage_arrive_update(&fourth, NULL);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara removed reza; sara renamed crew; "
			     "sara joined reza; sara admin_changed nadia; "
			     "nadia key_refreshed");
	assert_group(GROUP_STATUS_ACTIVE, 4, 0);
	stage_assert_set_aside(0);
	/* Once more, and older ones: nothing. */
	stage_arrive_update(&fourth, NULL);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 4, 0);
	stage_assert_set_aside(0);
	assert_queue(0);
	buf_clear(&third.roster);
	buf_clear(&fourth.roster);
	end(&first, &second);
}

static void
test_update_is_by_the_admin_before(void **unused)
{
	struct stage_epoch first = enter_first("usurper");
	struct stage_epoch second = stage_after(&first);

	(void)unused;
	second.signer = STAGE_REZA;
	second.admin = STAGE_REZA;
	stage_make(&second);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	stage_assert_set_aside(1);
	/* Nor does the admin's letter make another's roster good. */
	stage_arrive_update(
	    &second, &(const struct stage_lie){
			 .has_author = true, .author = STAGE_SARA});
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	stage_assert_set_aside(2);
	end(&first, &second);
}

static void
test_update_waits_for_the_one_before(void **unused)
{
	struct stage_epoch first = enter_first("order");
	struct stage_epoch second = stage_after(&first), third;

	(void)unused;
	stage_make(&second);
	third = stage_after(&second);
	stage_make(&third);
	stage_arrive_update(&third, NULL);
	arrive_plain(&third, STAGE_SARA, 0, 1, 1);
	stage_process(false);
	assert_group(GROUP_STATUS_ACTIVE, 1, 1);
	stage_arrive_update(&second, NULL);
	stage_process(false);
	assert_group(GROUP_STATUS_ACTIVE, 3, 0);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara key_refreshed; sara key_refreshed; "
			     "sara: number 1");
	buf_clear(&third.roster);
	end(&first, &second);
}

static void
test_update_skips_rosters_that_never_come(void **unused)
{
	struct stage_epoch first = enter_first("missed");
	struct stage_epoch second = stage_after(&first), third, fourth;

	(void)unused;
	stage_make(&second);
	third = stage_after(&second);
	third.members &= ~STAGE_SET(STAGE_NADIA);
	stage_make(&third);
	fourth = stage_after(&third);
	stage_make(&fourth);
	/* Out of order; the lowest that is there is taken. */
	stage_arrive_update(&fourth, NULL);
	stage_arrive_update(&third, NULL);
	stage_process(false);
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 4, 0);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara roster_missed; sara removed nadia; "
			     "sara key_refreshed");
	stage_assert_set_aside(0);
	/* Too late now. */
	stage_arrive_update(&second, NULL);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 4, 0);
	buf_clear(&third.roster);
	buf_clear(&fourth.roster);
	end(&first, &second);
}

static void
test_update_skips_none_of_another_admin(void **unused)
{
	struct stage_epoch first = enter_first("missed_admin");
	struct stage_epoch third = stage_after(&first);

	(void)unused;
	third.epoch = 3;
	third.admin = STAGE_REZA;
	third.signer = STAGE_REZA;
	stage_make(&third);
	stage_arrive_update(&third, NULL);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	stage_assert_set_aside(1);
	end(&first, &third);
}

static void
test_update_with_another_past_is_told(void **unused)
{
	struct stage_epoch first = enter_first("past");
	struct stage_epoch second = stage_after(&first);

	(void)unused;
	second.previous = &(const struct sha256_digest){.bytes = {5}};
	stage_make(&second);
	stage_arrive_update(&second, NULL);
	stage_process(false);
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 2, 0);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara roster_missed; sara key_refreshed");
	end(&first, &second);
}

static void
test_update_with_a_wrong_key_is_told(void **unused)
{
	struct stage_epoch first = enter_first("wrong_key");
	struct stage_epoch second = stage_after(&first), third;

	(void)unused;
	stage_make(&second);
	stage_arrive_update(
	    &second, &(const struct stage_lie){.has_wrong_secret = true});
	arrive_plain(&second, STAGE_REZA, 0, 1, 1);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; sara key_wrong");
	assert_group(GROUP_STATUS_ACTIVE, 2, 1);
	stage_assert_set_aside(0);
	third = stage_after(&second);
	stage_make(&third);
	stage_arrive_update(&third, NULL);
	arrive_plain(&third, STAGE_REZA, 0, 2, 2);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 3, 0);
	stage_assert_set_aside(1);
	stage_assert_history("sara joined hassan,nadia,reza; sara key_wrong; "
			     "sara key_refreshed; reza: number 2");
	buf_clear(&third.roster);
	end(&first, &second);
}

/* ---- Messages ---- */

static void
test_message_waits_for_its_epoch(void **unused)
{
	struct stage_epoch first = stage_first();

	(void)unused;
	stage_open("early", STAGE_ALL);
	stage_make(&first);
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	stage_process(false);
	assert_queue(1);
	stage_arrive_update(&first, NULL);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; reza: number 1");
	end(&first, NULL);
}

/* Everything was fetched, and no roster is among it: there will be none. */
static void
test_message_of_an_unknown_group_is_set_aside(void **unused)
{
	struct stage_epoch first = stage_first();

	(void)unused;
	stage_open("unknown", STAGE_ALL);
	stage_make(&first);
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	stage_process(true);
	assert_queue(0);
	stage_assert_set_aside(1);
	end(&first, NULL);
}

static void
test_message_may_come_late(void **unused)
{
	struct stage_epoch first = enter_first("late");
	struct stage_epoch second = stage_after(&first);

	(void)unused;
	stage_make(&second);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara key_refreshed; reza: number 1");

	/* But not for ever. */
	assert_ok(state_begin(stage_state()));
	assert_ok(group_epoch_prune(
	    stage_session(), clock_wall_ms() + GROUP_EPOCH_KEEP_MS + 1000));
	assert_ok(state_commit(stage_state()));
	arrive_plain(&first, STAGE_REZA, 1, 2, 2);
	arrive_plain(&second, STAGE_REZA, 0, 3, 3);
	stage_process(true);
	stage_assert_set_aside(1);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara key_refreshed; reza: number 1; "
			     "reza: number 3 (missing 1)");
	end(&first, &second);
}

static void
test_messages_may_pass_each_other(void **unused)
{
	struct stage_epoch first = enter_first("skip");

	(void)unused;
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	arrive_plain(&first, STAGE_REZA, 4, 5, 5);
	arrive_plain(&first, STAGE_REZA, 2, 3, 3);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; reza: number 1; "
			     "reza: number 5 (missing 3); "
			     "reza: number 3 (earlier)");
	stage_assert_set_aside(0);
	/* The key of each is used once. */
	stage_repeat_message();
	stage_process(true);
	stage_assert_set_aside(1);
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	stage_process(true);
	stage_assert_set_aside(2);
	/* The same message again at another place: known. */
	arrive_plain(&first, STAGE_REZA, 5, 6, 5);
	stage_process(true);
	stage_assert_set_aside(2);
	stage_assert_history("sara joined hassan,nadia,reza; reza: number 1; "
			     "reza: number 5 (missing 3); "
			     "reza: number 3 (earlier)");
	end(&first, NULL);
}

static void
test_messages_pass_so_many_and_no_more(void **unused)
{
	struct stage_epoch first = enter_first("far");

	(void)unused;
	arrive_plain(&first, STAGE_REZA, WIRE_GROUP_SKIP_MAX + 1, 9, 1);
	stage_process(true);
	stage_assert_set_aside(1);
	arrive_plain(&first, STAGE_REZA, WIRE_GROUP_SKIP_MAX, 10, 2);
	arrive_plain(&first, STAGE_REZA, 2 * WIRE_GROUP_SKIP_MAX, 11, 3);
	/* The keys of the beginning were given up for these. */
	arrive_plain(&first, STAGE_REZA, 0, 1, 4);
	arrive_plain(&first, STAGE_REZA, WIRE_GROUP_SKIP_MAX + 1, 10, 5);
	stage_process(true);
	stage_assert_set_aside(2);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "reza: number 2 (missing 2048); "
			     "reza: number 3 (forked); "
			     "reza: number 5 (earlier)");
	end(&first, NULL);
}

static void
test_messages_are_counted_through_epochs(void **unused)
{
	struct stage_epoch first = enter_first("counted");
	struct stage_epoch second = stage_after(&first);
	struct stage_message message = {
	    .sender = STAGE_REZA,
	    .counter = 1,
	    .id = 1,
	    .text = "salam",
	};
	struct sha256_digest hash;

	(void)unused;
	hash = stage_arrive_message(&first, &message);
	stage_make(&second);
	stage_arrive_update(&second, NULL);
	message = (struct stage_message){
	    .sender = STAGE_REZA,
	    .counter = 2,
	    .id = 2,
	    .text = "aleyk",
	    .previous = &hash,
	};
	(void)stage_arrive_message(&second, &message);
	arrive_plain(&second, STAGE_REZA, 1, 5, 3);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; reza: salam; "
			     "sara key_refreshed; reza: aleyk; "
			     "reza: number 3 (missing 2)");
	end(&first, &second);
}

static void
test_message_that_is_damaged_moves_nothing(void **unused)
{
	struct stage_epoch first = enter_first("damaged");
	struct stage_message message = {
	    .sender = STAGE_REZA,
	    .counter = 1,
	    .id = 1,
	    .text = "salam",
	    .is_damaged = true,
	};

	(void)unused;
	(void)stage_arrive_message(&first, &message);
	stage_process(true);
	stage_assert_set_aside(1);
	/* The honest one is at the same place. */
	message.is_damaged = false;
	(void)stage_arrive_message(&first, &message);
	/* Ours do not come back to us. */
	arrive_plain(&first, STAGE_HASSAN, 0, 1, 2);
	stage_process(true);
	stage_assert_set_aside(2);
	stage_assert_history("sara joined hassan,nadia,reza; reza: salam");
	tell();
	stage_assert_told("2 messages to groups could not be read and were set "
			  "aside: they are damaged, repeated, or older than "
			  "the keys that are left.");
	end(&first, NULL);
}

static void
test_message_of_no_member_is_set_aside(void **unused)
{
	struct stage_epoch first = stage_first();

	(void)unused;
	first.members &= ~STAGE_SET(STAGE_NADIA);
	stage_open("stranger", STAGE_ALL);
	stage_make(&first);
	stage_arrive_update(&first, NULL);
	arrive_plain(&first, STAGE_NADIA, 0, 1, 1);
	stage_process(true);
	stage_assert_set_aside(1);
	stage_assert_history("sara joined hassan,reza");
	end(&first, NULL);
}

static void
test_message_shows_another_roster_once(void **unused)
{
	static const struct sha256_digest other = {.bytes = {9}};
	struct stage_epoch first = enter_first("forked");
	struct stage_message message = {
	    .sender = STAGE_REZA,
	    .counter = 1,
	    .id = 1,
	    .text = "salam",
	    .roster_hash = &other,
	};
	struct state_group group = {0};
	struct sha256_digest hash;

	(void)unused;
	hash = stage_arrive_message(&first, &message);
	message.index = 1;
	message.counter = 2;
	message.id = 2;
	message.previous = &hash;
	(void)stage_arrive_message(&first, &message);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; reza: salam; "
			     "reza forked; reza: salam");
	assert_ok(state_group_read(stage_state(), STAGE_GROUP, &group));
	assert_true(group.is_forked);
	state_group_clear(&group);
	end(&first, NULL);
}

/* Of authors that nothing is known of, it is said after a look-up. */
static void
test_message_has_an_author_to_be_looked_up(void **unused)
{
	const struct state_message_query all = {.limit = 10};
	struct stage_epoch first = stage_first();
	struct message_list list = {0};
	struct state_names names = {0};

	(void)unused;
	stage_open("authors", PINNED_SARA);
	stage_make(&first);
	stage_arrive_update(&first, NULL);
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	stage_process(true);
	assert_ok(state_incoming_unchecked(stage_state(), 10, &names));
	assert_int_equal(names.count, 1);
	assert_string_equal(names.items[0], "reza");
	state_names_clear(&names);
	assert_ok(state_message_list(stage_state(), &all, &list));
	assert_int_equal(list.items[0].author, MESSAGE_AUTHOR_PINNED);
	assert_int_equal(list.items[1].author, MESSAGE_AUTHOR_UNVERIFIED);
	assert_string_equal(list.items[1].group_name, "team");
	message_list_clear(&list);
	end(&first, NULL);
}

/* ---- The end ---- */

static void
assert_refused(const uint8_t id[MESSAGE_ID_SIZE])
{
	struct message message = {0};

	assert_ok(state_outgoing_read(stage_state(), id, &message));
	assert_int_equal(message.outcome, MESSAGE_OUTCOME_REFUSED);
	assert_string_equal(message.group_name, "team");
	message_clear(&message);
}

static void
test_farewell_ends_it(void **unused)
{
	static const uint8_t id[MESSAGE_ID_SIZE] = {77};
	struct stage_epoch first = enter_first("farewell");
	struct stage_epoch second = stage_after(&first);

	(void)unused;
	assert_ok(state_begin(stage_state()));
	assert_ok(state_group_outgoing_add(
	    stage_state(), &(const struct state_group_outgoing){
			       .id = id,
			       .group_id = STAGE_GROUP,
			       .text = BYTES_LITERAL("wait"),
			   }));
	assert_ok(state_commit(stage_state()));
	/* Of the epoch before, and by nobody who may. */
	stage_arrive_farewell(STAGE_SARA, 1, false);
	stage_arrive_farewell(STAGE_REZA, 2, false);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	stage_assert_set_aside(1);
	stage_arrive_farewell(STAGE_SARA, 2, false);
	/* Late, but ours. */
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	/* Of a time without us. */
	stage_make(&second);
	arrive_plain(&second, STAGE_REZA, 0, 2, 2);
	stage_process(true);
	assert_group(GROUP_STATUS_REMOVED, 1, 0);
	assert_refused(id);
	stage_assert_told("1 message that waited for a group's next key was "
			  "not sent: you are no member any more. The history "
			  "shows it.");
	stage_assert_set_aside(1);
	assert_queue(0);
	end(&first, &second);
}

/* One that is ahead waits; who is taken in again counts anew. */
static void
test_farewell_may_be_followed_by_a_return(void **unused)
{
	struct stage_epoch first = enter_first("return");
	struct stage_epoch second = stage_after(&first), fourth;

	(void)unused;
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	stage_arrive_farewell(STAGE_SARA, 3, false);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	stage_make(&second);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	assert_group(GROUP_STATUS_REMOVED, 2, 0);
	assert_queue(0);
	/* With a past that we do not know. */
	fourth = stage_after(&second);
	fourth.epoch = 4;
	fourth.previous = &(const struct sha256_digest){.bytes = {5}};
	stage_make(&fourth);
	stage_arrive_update(&fourth, NULL);
	arrive_plain(&fourth, STAGE_REZA, 0, 9, 2);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 4, 0);
	stage_assert_history("sara joined hassan,nadia,reza; reza: number 1; "
			     "sara key_refreshed; sara removed hassan; "
			     "sara joined hassan; reza: number 2");
	stage_assert_set_aside(0);
	buf_clear(&fourth.roster);
	end(&first, &second);
}

static void
test_farewell_of_a_deleted_group(void **unused)
{
	struct stage_epoch first = enter_first("deleted");

	(void)unused;
	stage_arrive_farewell(STAGE_SARA, 1, true);
	stage_arrive_farewell(STAGE_SARA, 1, true);
	stage_process(true);
	assert_group(GROUP_STATUS_DELETED, 1, 0);
	stage_assert_history("sara joined hassan,nadia,reza; sara deleted");
	stage_assert_set_aside(0);
	end(&first, NULL);
}

static void
test_leave_is_told_once(void **unused)
{
	struct stage_epoch first = enter_first("leave");
	struct stage_epoch second = stage_after(&first), third;
	struct signing_public_key *leavers = NULL;
	size_t count = 0;

	(void)unused;
	stage_arrive_leave(STAGE_REZA, &first);
	stage_arrive_leave(STAGE_REZA, &first);
	/* The admin hands over first, and of ourselves we know. */
	stage_arrive_leave(STAGE_SARA, &first);
	stage_arrive_leave(STAGE_HASSAN, &first);
	stage_process(true);
	assert_ok(state_group_leaves_list(
	    stage_state(), STAGE_GROUP, &leavers, &count));
	assert_int_equal(count, 1);
	assert_memory_equal(leavers, stage_key(STAGE_REZA), sizeof(*leavers));
	free(leavers);
	second.members &= ~STAGE_SET(STAGE_REZA);
	stage_make(&second);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	/* That it is in the roster no more is told already. */
	stage_assert_history("sara joined hassan,nadia,reza; reza left; "
			     "sara key_refreshed");
	assert_ok(state_group_leaves_list(
	    stage_state(), STAGE_GROUP, &leavers, &count));
	assert_int_equal(count, 0);
	free(leavers);
	/* Back again: what it said in its first stay counts no more. */
	third = stage_after(&second);
	third.members |= STAGE_SET(STAGE_REZA);
	stage_make(&third);
	stage_arrive_update(&third, NULL);
	stage_arrive_leave(STAGE_REZA, &first);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; reza left; "
			     "sara key_refreshed; sara joined reza");
	stage_arrive_leave(STAGE_REZA, &third);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; reza left; "
			     "sara key_refreshed; sara joined reza; "
			     "reza left");
	stage_assert_set_aside(0);
	assert_queue(0);
	buf_clear(&third.roster);
	end(&first, &second);
}

/* The server let it be signed for an epoch that was still to come. */
static void
test_leave_of_another_roster_does_not_count(void **unused)
{
	struct stage_epoch first = enter_first("leave_ahead");
	struct stage_epoch second = stage_after(&first), ahead = second;

	(void)unused;
	ahead.hash = (struct sha256_digest){.bytes = {9}};
	stage_make(&second);
	stage_arrive_leave(STAGE_REZA, &ahead);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	stage_assert_history(
	    "sara joined hassan,nadia,reza; sara key_refreshed");
	assert_queue(0);
	stage_arrive_leave(STAGE_REZA, &second);
	stage_process(true);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara key_refreshed; reza left");
	end(&first, &second);
}

static void
test_leave_of_an_epoch_to_come_waits(void **unused)
{
	struct stage_epoch first = enter_first("leave_early");
	struct stage_epoch second = stage_after(&first);

	(void)unused;
	stage_make(&second);
	stage_arrive_leave(STAGE_REZA, &second);
	stage_process(true);
	assert_queue(1);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	assert_queue(0);
	stage_assert_history("sara joined hassan,nadia,reza; "
			     "sara key_refreshed; reza left");
	end(&first, &second);
}

/* Who has left still reads what was sent to it before. */
static void
test_leaving_reads_on_up_to_the_leave(void **unused)
{
	struct stage_epoch first = enter_first("read_on");
	struct stage_epoch second = stage_after(&first), third;
	const struct group_end how = {
	    .group_id = STAGE_GROUP,
	    .status = GROUP_STATUS_LEFT,
	    .gone_epoch = 3,
	    .is_own = true,
	};

	(void)unused;
	assert_ok(state_begin(stage_state()));
	assert_ok(group_epoch_end(stage_session(), &how));
	assert_ok(state_commit(stage_state()));
	assert_group(GROUP_STATUS_LEFT, 1, 0);
	stage_make(&second);
	arrive_plain(&second, STAGE_REZA, 0, 1, 1);
	stage_arrive_update(&second, NULL);
	stage_process(true);
	assert_group(GROUP_STATUS_LEFT, 2, 0);
	stage_assert_history("sara joined hassan,nadia,reza; hassan left; "
			     "sara key_refreshed; reza: number 1");
	third = stage_after(&second);
	stage_make(&third);
	stage_arrive_update(&third, NULL);
	stage_process(true);
	assert_group(GROUP_STATUS_ACTIVE, 3, 0);
	stage_assert_set_aside(0);
	buf_clear(&third.roster);
	end(&first, &second);
}

/* ---- The queue ---- */

/* What waits to be acknowledged may come again, and was worked off before. */
static void
test_queue_takes_no_repetition(void **unused)
{
	static const uint8_t id[STATE_INBOX_ID_SIZE] = {1};
	Peyk__V1__InboxMessage message = PEYK__V1__INBOX_MESSAGE__INIT;

	(void)unused;
	stage_open("repetition", 0);
	message.group_id = STAGE_GROUP;
	message.epoch = 1;
	assert_ok(state_begin(stage_state()));
	assert_ok(group_inbox_add(stage_session(), &message, id, 0));
	assert_ok(group_inbox_add(stage_session(), &message, id, 0));
	assert_queue(1);
	assert_ok(state_ack_add(stage_state(), id));
	assert_ok(state_commit(stage_state()));
	stage_process(true);
	assert_queue(0);
	stage_assert_set_aside(1);
	assert_ok(state_begin(stage_state()));
	assert_ok(group_inbox_add(stage_session(), &message, id, 0));
	/* Two things at once are nothing. */
	message.roster.data = message.leave.data = (uint8_t *)(uintptr_t)id;
	message.roster.len = message.leave.len = 1;
	assert_ok(group_inbox_add(stage_session(), &message,
	    (const uint8_t[STATE_INBOX_ID_SIZE]){2}, 0));
	assert_ok(state_commit(stage_state()));
	assert_queue(0);
	stage_assert_set_aside(2);
	end(NULL, NULL);
}

/* The reply of a poll with one message, for a group that is not known. */
static void
apply_poll(uint64_t sequence)
{
	Peyk__V1__PollResponse response = PEYK__V1__POLL_RESPONSE__INIT;
	Peyk__V1__InboxMessage message = PEYK__V1__INBOX_MESSAGE__INIT;
	Peyk__V1__InboxMessage *messages[] = {&message};
	char id[] = "019ab10c-5c00-7000-8000-000000000001";
	struct session_reply reply = {.sequence = sequence, .is_done = true};
	struct buf body;

	message.id = id;
	message.group_id = STAGE_GROUP;
	message.epoch = 1;
	response.messages = messages;
	response.n_messages = 1;
	buf_init(&body, 256);
	assert_ok(wire_pack(&response.base, &body));
	reply.body = buf_bytes(&body);
	assert_ok(state_begin(stage_state()));
	assert_ok(incoming_apply(stage_session(), &reply));
	assert_ok(state_commit(stage_state()));
	buf_clear(&body);
}

/* One process sleeps over its reply while another receives and acknowledges. */
static void
test_queue_takes_no_reply_that_comes_late(void **unused)
{
	uint64_t acks = 99;
	struct buf ids;

	(void)unused;
	stage_open("late_reply", 0);
	apply_poll(8);
	assert_queue(1);
	stage_process(true);
	assert_queue(0);
	buf_init(&ids, UUID_SIZE);
	assert_ok(state_begin(stage_state()));
	assert_ok(state_ack_assign(stage_state(), 9, 1, &ids));
	assert_ok(state_ack_settle(stage_state(), 9));
	assert_ok(state_commit(stage_state()));
	buf_clear(&ids);
	apply_poll(7);
	assert_queue(0);
	assert_ok(state_ack_count(stage_state(), &acks));
	assert_int_equal(acks, 0);
	apply_poll(10);
	assert_queue(1);
	end(NULL, NULL);
}

static void
test_queue_is_bounded(void **unused)
{
	struct stage_epoch first = stage_first();

	(void)unused;
	stage_open("bounded", STAGE_ALL);
	stage_make(&first);
	arrive_plain(&first, STAGE_REZA, 0, 1, 1);
	assert_ok(state_begin(stage_state()));
	for (unsigned i = 0; i < GROUP_INBOX_MAX + 3; i++) {
		struct state_group_item item = {
		    .kind = STATE_GROUP_ITEM_MESSAGE,
		    .group_id = 5,
		    .epoch = 1,
		};

		memcpy(item.inbox_id, &i, sizeof(i));
		assert_ok(state_group_item_add(stage_state(), &item));
	}
	assert_ok(state_commit(stage_state()));
	assert_queue(GROUP_INBOX_MAX + 4);
	/* One in, the oldest out. */
	stage_repeat_message();
	assert_queue(GROUP_INBOX_MAX + 4);
	stage_assert_set_aside(1);
	stage_process(false);
	assert_queue(GROUP_INBOX_MAX + 4);
	end(&first, NULL);
}

/* Updates that say nothing, of epochs 3, 4 and so on, or backwards. */
static void
arrive_garbage(unsigned count, bool is_rising)
{
	assert_ok(state_begin(stage_state()));
	for (unsigned i = 0; i < count; i++) {
		struct state_group_item item = {
		    .kind = STATE_GROUP_ITEM_KEY,
		    .group_id = STAGE_GROUP,
		    .epoch = 3 + (is_rising ? i : count - 1 - i),
		    .roster = BYTES_LITERAL("roster"),
		    .ciphertext = BYTES_LITERAL("letter"),
		};

		memcpy(item.inbox_id, &i, sizeof(i));
		assert_ok(state_group_item_add(stage_state(), &item));
	}
	assert_ok(state_commit(stage_state()));
}

/* Once through the queue is enough for all of it. */
static void
test_queue_of_garbage_is_left_at_once(void **unused)
{
	struct stage_epoch first = enter_first("garbage");

	(void)unused;
	arrive_garbage(200, true);
	stage_process(true);
	assert_queue(0);
	stage_assert_set_aside(200);
	assert_int_equal(session_tally(stage_session())->received, 1);
	end(&first, NULL);
}

/* Each look at the queue finds one: so many looks are for another time. */
static void
test_queue_in_the_wrong_order_takes_its_time(void **unused)
{
	struct stage_epoch first = enter_first("wrong_order");
	uint64_t before = 150, after = 0;

	(void)unused;
	arrive_garbage((unsigned)before, false);
	for (unsigned runs = 0; before > 0; runs++) {
		assert_true(runs < 150);
		stage_process(true);
		assert_ok(state_group_items_count(stage_state(), &after));
		assert_true(after < before);
		if (runs == 0)
			assert_true(after > 0);
		before = after;
	}
	stage_assert_set_aside(150);
	assert_group(GROUP_STATUS_ACTIVE, 1, 0);
	end(&first, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_join_tells_who_is_in_and_reads),
	    cmocka_unit_test(test_join_later_tells_of_oneself),
	    cmocka_unit_test(test_join_waits_for_a_look_up),
	    cmocka_unit_test(test_join_refuses_another_key_than_the_pinned),
	    cmocka_unit_test(test_join_refuses_lies),
	    cmocka_unit_test(test_join_leaves_own_groups_alone),
	    cmocka_unit_test(test_join_tells_of_keys_that_differ_from_pins),
	    cmocka_unit_test(test_update_tells_what_changes),
	    cmocka_unit_test(test_update_is_by_the_admin_before),
	    cmocka_unit_test(test_update_waits_for_the_one_before),
	    cmocka_unit_test(test_update_skips_rosters_that_never_come),
	    cmocka_unit_test(test_update_skips_none_of_another_admin),
	    cmocka_unit_test(test_update_with_another_past_is_told),
	    cmocka_unit_test(test_update_with_a_wrong_key_is_told),
	    cmocka_unit_test(test_message_waits_for_its_epoch),
	    cmocka_unit_test(test_message_of_an_unknown_group_is_set_aside),
	    cmocka_unit_test(test_message_may_come_late),
	    cmocka_unit_test(test_messages_may_pass_each_other),
	    cmocka_unit_test(test_messages_pass_so_many_and_no_more),
	    cmocka_unit_test(test_messages_are_counted_through_epochs),
	    cmocka_unit_test(test_message_that_is_damaged_moves_nothing),
	    cmocka_unit_test(test_message_of_no_member_is_set_aside),
	    cmocka_unit_test(test_message_shows_another_roster_once),
	    cmocka_unit_test(test_message_has_an_author_to_be_looked_up),
	    cmocka_unit_test(test_farewell_ends_it),
	    cmocka_unit_test(test_farewell_may_be_followed_by_a_return),
	    cmocka_unit_test(test_farewell_of_a_deleted_group),
	    cmocka_unit_test(test_leave_is_told_once),
	    cmocka_unit_test(test_leave_of_another_roster_does_not_count),
	    cmocka_unit_test(test_leave_of_an_epoch_to_come_waits),
	    cmocka_unit_test(test_leaving_reads_on_up_to_the_leave),
	    cmocka_unit_test(test_queue_takes_no_repetition),
	    cmocka_unit_test(test_queue_takes_no_reply_that_comes_late),
	    cmocka_unit_test(test_queue_is_bounded),
	    cmocka_unit_test(test_queue_of_garbage_is_left_at_once),
	    cmocka_unit_test(test_queue_in_the_wrong_order_takes_its_time),
	};

	return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
