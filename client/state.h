#ifndef PEYK_CLIENT_STATE_H
#define PEYK_CLIENT_STATE_H

#include "base/status.h"

/*
 * state.db: the account's encrypted database. Its typed functions are in
 * client/state_*.h; commands use client/contacts.h, history.h and the like.
 */
struct state;

#endif
