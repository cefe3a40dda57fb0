package main

import (
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite"
)

// idIndexes gives each collection an index that queries by _id use. FerretDB 1.24 has a unique index of the expression
// `->"_id"`, and finds and updates documents by `->'$._id'`, so that each of them reads the whole collection.
type idIndexes struct {
	// folder has a SQLite file for each database.
	folder string
	mutex  sync.Mutex
	// done has the collections with the index, by database and name.
	done map[[2]string]bool
}

// note takes notice of a command that was answered: a collection that it may have created gets its index before the answer
// is passed on. An error is no more than a slower collection.
func (i *idIndexes) note(command, database, collection string) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	switch command {
	case "drop", "dropDatabase":
		clear(i.done)
	case "create", "createIndexes", "insert", "update", "findAndModify", "findandmodify":
		key := [2]string{database, collection}
		if i.done[key] {
			return
		}
		if err := i.add(database); err != nil {
			slog.Warn("no index by _id", "database", database, "err", err)
		}
		i.done[key] = true
	}
}

// add gives every collection of a database its index. It is safe while FerretDB has the file open: both use the same SQLite
// library in this process, and each waits for the lock of the other.
func (i *idIndexes) add(database string) error {
	file := filepath.Join(i.folder, filepath.Base(database)+".sqlite")
	if _, err := os.Stat(file); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+file+"?mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%_ferretdb_sjson TEXT%' AND name NOT LIKE '\_%' ESCAPE '\'`)
	if err != nil {
		return err
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range tables {
		statement := fmt.Sprintf(`CREATE INDEX IF NOT EXISTS "%[1]s_by_id" ON "%[1]s" (_ferretdb_sjson->'$._id')`, name)
		if _, err := db.Exec(statement); err != nil {
			return err
		}
	}
	return nil
}
