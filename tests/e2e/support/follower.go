// Writes through redigo, to the master that the sentinels name, until that is another one and a write succeeded there.
// Arguments: the sentinels' ports.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/FZambia/sentinel"
	"github.com/gomodule/redigo/redis"
)

const limit = 500 * time.Millisecond

func dial(address string) (redis.Conn, error) {
	return redis.Dial("tcp", address, redis.DialConnectTimeout(limit),
		redis.DialReadTimeout(limit), redis.DialWriteTimeout(limit))
}

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, what, err)
	os.Exit(1)
}

func main() {
	watchers := &sentinel.Sentinel{MasterName: "mm", Dial: dial}
	for _, port := range os.Args[1:] {
		watchers.Addrs = append(watchers.Addrs, "127.0.0.1:"+port)
	}
	first, err := watchers.MasterAddr()
	if err != nil {
		fail("no master:", err)
	}
	if replicas, err := watchers.Slaves(); err != nil || len(replicas) != 2 {
		fail(fmt.Sprint("not two replicas but ", len(replicas)), err)
	}
	if err := watchers.Discover(); err != nil || len(watchers.Addrs) != 3 {
		fail(fmt.Sprint("not three sentinels but ", watchers.Addrs), err)
	}
	pool := &redis.Pool{
		MaxIdle: 3,
		Dial: func() (redis.Conn, error) {
			address, err := watchers.MasterAddr()
			if err != nil {
				return nil, err
			}
			return dial(address)
		},
		TestOnBorrow: func(c redis.Conn, _ time.Time) error {
			if !sentinel.TestRole(c, "master") {
				return fmt.Errorf("no master any more")
			}
			return nil
		},
	}
	set := func(key string) error {
		c := pool.Get()
		defer c.Close()
		_, err := c.Do("SET", key, "1")
		return err
	}
	if err := set("before"); err != nil {
		fail("the first write:", err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if set("after") != nil {
			continue
		}
		now, err := watchers.MasterAddr()
		if err != nil || now == first {
			continue
		}
		c := pool.Get()
		before, err := redis.String(c.Do("GET", "before"))
		c.Close()
		if err != nil {
			continue
		}
		if before != "1" {
			fail("a write is lost:", nil)
		}
		fmt.Println("followed to", now)
		return
	}
	fail("the master never changed", nil)
}
