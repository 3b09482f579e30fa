/*
 * A plugin of mptcpd that does what programs/ndiffports.ts does with one more subflow: as soon as a session of a client's is
 * established, another between the same two addresses.
 */
#include <stdbool.h>

#include <mptcpd/path_manager.h>
#include <mptcpd/plugin.h>
#include <netinet/in.h>

/* The first subflow's is 0 at both ends. */
#define NEW_ID 1

static void established(mptcpd_token_t token, struct sockaddr const *local, struct sockaddr const *remote,
			bool server_side, struct mptcpd_pm *pm)
{
	struct sockaddr_in from = *(struct sockaddr_in const *)local;

	if (server_side)
		return;
	from.sin_port = 0;
	mptcpd_pm_add_subflow(pm, token, NEW_ID, 0, (struct sockaddr const *)&from, remote, false);
}

static struct mptcpd_plugin_ops const ops = { .connection_established = established };

static int begin(struct mptcpd_pm *pm)
{
	(void)pm;
	return mptcpd_plugin_register_ops("ndiffports", &ops) ? 0 : -1;
}

static void end(struct mptcpd_pm *pm)
{
	(void)pm;
}

MPTCPD_PLUGIN_DEFINE(ndiffports, "one more subflow", MPTCPD_PLUGIN_PRIORITY_DEFAULT, begin, end)
