/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every SQL text of the store in one place. Columns of the lists are in the
 * order in which store_list.c reads them. The alarm object is most of a row and
 * lies on pages of its own: a list that shows no JSON (?2 is 0) does not read it.
 */
#include "store_private.h"

/*
 * alarms.json has everything; the other columns are what is searched and
 * listed. An active entry covers the alarms first_id..last_id of its tunnel
 * during which the tunnel went down; a clear takes that range over.
 */
const char ikw_store_schema[] = "CREATE TABLE tunnels ("
				" tunnel_index INTEGER PRIMARY KEY,"
				" key TEXT NOT NULL UNIQUE,"
				" deletions INTEGER NOT NULL DEFAULT 0,"
				" last_deletion INTEGER NOT NULL DEFAULT 0,"
				" last_reason TEXT);"
				"CREATE TABLE alarms ("
				" id INTEGER PRIMARY KEY AUTOINCREMENT,"
				" wall INTEGER NOT NULL,"
				" tunnel_index INTEGER NOT NULL,"
				" reason TEXT NOT NULL,"
				" confidence TEXT NOT NULL,"
				" peer TEXT NOT NULL,"
				" tunnel_up INTEGER NOT NULL,"
				" json TEXT NOT NULL);"
				"CREATE INDEX alarms_wall ON alarms(wall);"
				"CREATE INDEX alarms_tunnel ON alarms(tunnel_index, wall);"
				"CREATE TABLE active ("
				" tunnel_index INTEGER PRIMARY KEY,"
				" first_id INTEGER NOT NULL,"
				" last_id INTEGER NOT NULL,"
				" count INTEGER NOT NULL,"
				" first_wall INTEGER NOT NULL,"
				" last_wall INTEGER NOT NULL,"
				" up_since INTEGER,"
				" peer TEXT NOT NULL,"
				" reason TEXT NOT NULL);"
				"CREATE TABLE clears ("
				" id INTEGER PRIMARY KEY,"
				" tunnel_index INTEGER NOT NULL,"
				" first_id INTEGER NOT NULL,"
				" last_id INTEGER NOT NULL,"
				" count INTEGER NOT NULL,"
				" wall INTEGER NOT NULL,"
				" who TEXT NOT NULL,"
				" note TEXT);"
				"CREATE INDEX clears_tunnel ON clears(tunnel_index, last_id);"
				"PRAGMA user_version = 1;";

/*
 * given: which deletions of this boot have their alarm, so that an agent that
 * goes on where another was killed gives none twice. up: tunnels that went down
 * or were rekeyed and are up, as far as is known: their numbers are kept.
 */
const char ikw_store_additions[] = "CREATE TABLE IF NOT EXISTS given ("
				   " key TEXT PRIMARY KEY,"
				   " boot INTEGER NOT NULL,"
				   " id INTEGER NOT NULL);"
				   "CREATE TABLE IF NOT EXISTS up ("
				   " tunnel_index INTEGER PRIMARY KEY);";

#define ROW_COLUMNS                                                                                \
	"SELECT a.id, a.wall, a.tunnel_index, a.reason, a.confidence, a.peer, a.tunnel_up, "       \
	"CASE WHEN ?2 THEN a.json END,"                                                            \
	" e.last_id, e.count, e.first_wall, e.last_wall, e.up_since, c.wall, c.who, c.note "

#define ROW_JOINS                                                                                  \
	"LEFT JOIN active e ON e.tunnel_index = a.tunnel_index AND NOT a.tunnel_up"                \
	" AND a.id BETWEEN e.first_id AND e.last_id "                                              \
	"LEFT JOIN clears c ON NOT a.tunnel_up AND c.id = (SELECT k.id FROM clears k"              \
	" WHERE k.tunnel_index = a.tunnel_index AND k.last_id >= a.id AND k.first_id <= a.id"      \
	" ORDER BY k.last_id LIMIT 1) "

/* The lowest of the ?1 highest ids of a table (-1: of all, which nobody looks for). */
#define NEWEST(id, table)                                                                          \
	"CASE WHEN ?1 < 0 THEN 0 ELSE (SELECT min(i) FROM"                                         \
	" (SELECT " id " AS i FROM " table " ORDER BY " id " DESC LIMIT ?1)) END"

/* How many rows one trim may delete: a commit stays short whatever was let grow. */
#define TRIM_LIMIT "2000"

const char *const ikw_store_sql[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_LAST_ID] = "SELECT seq FROM sqlite_sequence WHERE name = 'alarms'",
	[SQL_ADD_ALARM] = "INSERT INTO alarms VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_ADD_ACTIVE] = "INSERT INTO active VALUES (?3, ?1, ?1, 1, ?2, ?2, NULL, ?6, ?4)"
			   " ON CONFLICT (tunnel_index) DO UPDATE SET last_id = ?1, last_wall = ?2,"
			   " count = count + 1, up_since = NULL, peer = ?6, reason = ?4",
	[SQL_COUNT_DELETION] = "UPDATE tunnels SET deletions = deletions + 1, last_deletion = ?2,"
			       " last_reason = ?4 WHERE tunnel_index = ?3",
	[SQL_ADD_GIVEN] = "INSERT OR IGNORE INTO given VALUES (?1, ?2, ?3)",
	[SQL_FIND_GIVEN] = "SELECT id FROM given WHERE key = ?1",
	[SQL_FIND_SAVED] = "SELECT id FROM alarms WHERE wall = ?1 AND peer = ?2"
			   " AND instr(json, ?3)",
	[SQL_TRIM_GIVEN] = "DELETE FROM given WHERE boot < ?1",
	[SQL_ADD_TUNNEL] = "INSERT OR IGNORE INTO tunnels(tunnel_index, key) VALUES (?1, ?2)",
	[SQL_TUNNEL_UP] = "UPDATE active SET up_since = ?2"
			  " WHERE tunnel_index = ?1 AND up_since IS NULL"
			  " AND (last_wall <= ?2 OR NOT ?3)",
	[SQL_TRIM_AGE] = "DELETE FROM alarms WHERE id IN (SELECT id FROM alarms WHERE wall < ?1"
			 " AND id NOT IN (SELECT last_id FROM active) LIMIT " TRIM_LIMIT ")",
	[SQL_TRIM_NUMBER] = "DELETE FROM alarms WHERE id IN (SELECT id FROM alarms WHERE id <= ?1"
			    " AND id NOT IN (SELECT last_id FROM active)"
			    " ORDER BY id LIMIT " TRIM_LIMIT ")",
	[SQL_TRIM_CLEARS] = "DELETE FROM clears WHERE id IN (SELECT id FROM clears"
			    " WHERE wall < ?1 OR last_id <= ?2 LIMIT " TRIM_LIMIT ")",
	[SQL_ADD_UP] = "INSERT OR IGNORE INTO up VALUES (?3)",
	[SQL_DROP_UP] = "DELETE FROM up WHERE tunnel_index = ?3",
	[SQL_TRIM_TUNNELS] = "DELETE FROM tunnels WHERE tunnel_index > ?1 AND tunnel_index <= ?2"
			     " AND deletions > 0 AND NOT EXISTS (SELECT 1 FROM alarms a"
			     " WHERE a.tunnel_index = tunnels.tunnel_index)"
			     " AND tunnel_index NOT IN (SELECT tunnel_index FROM active)"
			     " AND tunnel_index NOT IN (SELECT tunnel_index FROM up)",
	[SQL_ENTRY_OF] = "SELECT e.tunnel_index, e.last_id, e.count FROM alarms a"
			 " LEFT JOIN active e ON e.tunnel_index = a.tunnel_index"
			 " AND NOT a.tunnel_up AND a.id BETWEEN e.first_id AND e.last_id"
			 " WHERE a.id = ?1",
	[SQL_ADD_CLEAR] = "INSERT INTO clears"
			  "(tunnel_index, first_id, last_id, count, wall, who, note)"
			  " SELECT tunnel_index, first_id, last_id, count, ?2, ?3, ?4"
			  " FROM active WHERE tunnel_index = ?1",
	[SQL_DROP_ACTIVE] = "DELETE FROM active WHERE tunnel_index = ?1",
	[SQL_CLEAR_ALL] = "INSERT INTO clears"
			  "(tunnel_index, first_id, last_id, count, wall, who, note)"
			  " SELECT tunnel_index, first_id, last_id, count, ?2, ?3, ?4 FROM active",
	[SQL_DROP_ALL_ACTIVE] = "DELETE FROM active",
	[SQL_TUNNEL_OF_KEY] = "SELECT tunnel_index, last_deletion, last_reason"
			      " FROM tunnels WHERE key = ?1",
	[SQL_LAST_TUNNEL] = "SELECT max(tunnel_index) FROM tunnels",
	[SQL_TUNNELS_SEEN] =
		"SELECT t.tunnel_index, t.key, t.deletions, t.last_deletion, t.last_reason,"
		" e.last_id, e.up_since, (SELECT a.json FROM alarms a"
		" WHERE a.tunnel_index = t.tunnel_index ORDER BY a.wall DESC LIMIT 1)"
		" FROM tunnels t LEFT JOIN active e ON e.tunnel_index = t.tunnel_index"
		" WHERE t.tunnel_index BETWEEN ?1 AND ?2 ORDER BY t.tunnel_index",
	[SQL_LIST_ACTIVE] = ROW_COLUMNS
	"FROM active e CROSS JOIN alarms a ON a.id = e.last_id"
	" LEFT JOIN clears c ON 0 WHERE e.last_id >= " NEWEST("last_id", "active") " ORDER BY a.id",
	[SQL_LIST_ALL] = ROW_COLUMNS "FROM alarms a " ROW_JOINS
				     "WHERE a.id >= " NEWEST("id", "alarms") " ORDER BY a.id",
	[SQL_FIND] = ROW_COLUMNS "FROM alarms a " ROW_JOINS "WHERE a.id = ?1",
	[SQL_AFTER] = "SELECT id, wall, json FROM alarms WHERE id > ?1 ORDER BY id LIMIT ?2",
	[SQL_PEERS] = "SELECT peer, reason, count(*), count(up_since), sum(count),"
		      " min(first_wall), max(last_wall), max(last_id)"
		      " FROM active GROUP BY peer, reason ORDER BY max(last_id)",
	[SQL_STATS] = "SELECT (SELECT count(*) FROM alarms), (SELECT count(*) FROM active),"
		      " (SELECT count(*) FROM tunnels), (SELECT count(*) FROM clears),"
		      " (SELECT min(wall) FROM alarms), (SELECT max(id) FROM alarms)",
	[SQL_BYTES] = "SELECT (page_count - freelist_count) * page_size"
		      " FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
};
