#ifndef PEYK_CLIENT_EXIT_CODE_H
#define PEYK_CLIENT_EXIT_CODE_H

/*
 * What peyk's exit status means; docs/client.md tells the users. Scripts rely
 * on the numbers.
 */
enum exit_code {
	EXIT_CODE_DONE = 0,
	EXIT_CODE_FAILED = 1,      /* what none of the others says */
	EXIT_CODE_USAGE = 2,       /* the command line or the configuration */
	EXIT_CODE_UNREACHABLE = 3, /* no server there, or no answer in time */
	EXIT_CODE_PASSWORD = 4,    /* wrong password or damaged key file */
	EXIT_CODE_KEY_CHANGED = 5, /* of a contact, or of the server */
	EXIT_CODE_REFUSED = 6,     /* by the server */
};

#endif
