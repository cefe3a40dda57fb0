// Command ferretdb serves the MongoDB protocol over SQLite files, for development and tests on machines without mongod.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address to listen on")
	folder := flag.String("data", "", "folder of the SQLite files, which must exist")
	flag.Parse()
	if *folder == "" {
		log.Fatal("-data is missing")
	}
	if err := serve(*listen, *folder); err != nil {
		log.Fatal(err)
	}
}

// serve runs FerretDB behind a gate until the process is told to stop.
func serve(address, folder string) error {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:   "sqlite",
		SQLiteURL: "file:" + folder + "/",
	})
	if err != nil {
		return err
	}
	behind, err := url.Parse(server.MongoDBURI())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go (&gate{behind: behind.Host, ids: &idIndexes{folder: folder, done: map[[2]string]bool{}}}).serve(listener)
	return server.Run(ctx)
}
