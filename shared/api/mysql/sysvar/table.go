package sysvar

import "math"

const (
	max31   = math.MaxInt32
	max32   = math.MaxUint32
	max64   = math.MaxUint64
	oneYear = 365 * 24 * 60 * 60 // seconds

	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// The table is in the order of the manual's chapters. Read a line as: name, what it takes, when and how.
var byName = index(
	// Connections and sessions.
	integer("max_connections", 1, 100000),
	integer("max_user_connections", 0, max32),
	integer("max_connect_errors", 1, max64),
	integer("back_log", 1, 65535).static(),
	integer("thread_cache_size", 0, 16384),
	integer("connect_timeout", 2, oneYear),
	integer("wait_timeout", 1, oneYear),
	integer("interactive_timeout", 1, oneYear),
	integer("net_read_timeout", 1, oneYear),
	integer("net_write_timeout", 1, oneYear),
	integer("net_retry_count", 1, max64),
	integer("lock_wait_timeout", 1, oneYear),
	bytes("net_buffer_length", kib, mib),
	bytes("max_allowed_packet", kib, gib),
	bytes("connection_memory_limit", 2*mib, max64).since("8.0.28"),
	bytes("global_connection_memory_limit", 16*mib, max64).since("8.0.28"),
	boolean("skip_name_resolve").static(),
	boolean("local_infile"),
	text("init_connect"),

	// Statements.
	integer("max_execution_time", 0, max32),
	integer("max_prepared_stmt_count", 0, 4194304),
	integer("max_sp_recursion_depth", 0, 255),
	integer("max_error_count", 0, 65535),
	integer("cte_max_recursion_depth", 0, max32),
	bytes("group_concat_max_len", 4, max64),
	integer("eq_range_index_dive_limit", 0, max32),
	integer("optimizer_search_depth", 0, 62),
	integer("optimizer_prune_level", 0, 1),
	bytes("range_optimizer_max_mem_size", 0, max64),
	text("optimizer_switch"),
	set("sql_mode", "ALLOW_INVALID_DATES", "ANSI", "ANSI_QUOTES", "ERROR_FOR_DIVISION_BY_ZERO", "HIGH_NOT_PRECEDENCE",
		"IGNORE_SPACE", "NO_AUTO_VALUE_ON_ZERO", "NO_BACKSLASH_ESCAPES", "NO_DIR_IN_CREATE", "NO_ENGINE_SUBSTITUTION",
		"NO_UNSIGNED_SUBTRACTION", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ONLY_FULL_GROUP_BY", "PAD_CHAR_TO_FULL_LENGTH",
		"PIPES_AS_CONCAT", "REAL_AS_FLOAT", "STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "TIME_TRUNCATE_FRACTIONAL",
		"TRADITIONAL"),
	enum("transaction_isolation", "READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"),
	boolean("autocommit"),
	boolean("explicit_defaults_for_timestamp"),
	boolean("restrict_fk_on_non_standard_key").since("8.4.0"),
	boolean("sql_generate_invisible_primary_key").since("8.0.30"),
	boolean("sql_require_primary_key").since("8.0.13"),
	boolean("log_bin_trust_function_creators"),
	boolean("low_priority_updates"),
	enum("concurrent_insert", "NEVER", "AUTO", "ALWAYS", "0", "1", "2"),
	enum("event_scheduler", "ON", "OFF", "DISABLED"),
	enum("default_storage_engine", "InnoDB", "MyISAM", "MEMORY", "CSV", "ARCHIVE"),
	integer("auto_increment_increment", 1, 65535),
	integer("auto_increment_offset", 1, 65535),
	integer("div_precision_increment", 0, 30),
	integer("default_week_format", 0, 7),

	// Character sets and time.
	text("character_set_server"),
	text("collation_server"),
	text("default_time_zone").static(),
	text("lc_time_names"),
	integer("ft_min_word_len", 1, 84).static(),
	integer("ft_max_word_len", 10, 84).static(),

	// Buffers and caches.
	bytes("sort_buffer_size", 32*kib, max64),
	bytes("join_buffer_size", 128, max64),
	bytes("read_buffer_size", 8*kib, 2147479552),
	bytes("read_rnd_buffer_size", 1, max31),
	bytes("bulk_insert_buffer_size", 0, max64),
	bytes("key_buffer_size", 0, max64),
	bytes("tmp_table_size", kib, max64),
	bytes("max_heap_table_size", 16*kib, max64),
	bytes("temptable_max_ram", 2*mib, max64),
	bytes("temptable_max_mmap", 0, max64).since("8.0.23"),
	bytes("set_operations_buffer_size", 16*kib, gib).since("8.4.0"),
	enum("internal_tmp_mem_storage_engine", "MEMORY", "TempTable"),
	integer("table_open_cache", 1, 524288),
	integer("table_open_cache_instances", 1, 64).static(),
	integer("table_definition_cache", 400, 524288),
	integer("open_files_limit", 0, max32).static(),
	integer("host_cache_size", 0, 65536),

	// InnoDB: memory.
	bytes("innodb_buffer_pool_size", 5*mib, max64),
	integer("innodb_buffer_pool_instances", 1, 64).static(),
	bytes("innodb_buffer_pool_chunk_size", mib, max64).static(),
	boolean("innodb_buffer_pool_dump_at_shutdown"),
	boolean("innodb_buffer_pool_load_at_startup").static(),
	integer("innodb_buffer_pool_dump_pct", 1, 100),
	integer("innodb_old_blocks_pct", 5, 95),
	integer("innodb_old_blocks_time", 0, max32),
	boolean("innodb_adaptive_hash_index"),
	integer("innodb_adaptive_hash_index_parts", 1, 512).static(),
	enum("innodb_change_buffering", "none", "inserts", "deletes", "changes", "purges", "all"),
	integer("innodb_change_buffer_max_size", 0, 50),
	bytes("innodb_sort_buffer_size", 64*kib, 64*mib).static(),
	bytes("innodb_ddl_buffer_size", 64*kib, max32).since("8.0.27"),
	bytes("innodb_ft_cache_size", 1600000, 80000000).static(),

	// InnoDB: log, disk and threads.
	bytes("innodb_log_buffer_size", mib, max32),
	bytes("innodb_redo_log_capacity", 8*mib, 512*gib).since("8.0.30"),
	bytes("innodb_log_file_size", 4*mib, 512*gib).static(),
	integer("innodb_log_files_in_group", 2, 100).static(),
	integer("innodb_flush_log_at_trx_commit", 0, 2),
	integer("innodb_flush_log_at_timeout", 1, 2700),
	enum("innodb_flush_method", "fsync", "O_DSYNC", "littlesync", "nosync", "O_DIRECT", "O_DIRECT_NO_FSYNC").static(),
	integer("innodb_flush_neighbors", 0, 2),
	boolean("innodb_flush_sync"),
	integer("innodb_io_capacity", 100, max64),
	integer("innodb_io_capacity_max", 100, max64),
	integer("innodb_lru_scan_depth", 100, max64),
	float("innodb_max_dirty_pages_pct", 0, 99.999),
	float("innodb_max_dirty_pages_pct_lwm", 0, 99.999),
	integer("innodb_read_io_threads", 1, 64).static(),
	integer("innodb_write_io_threads", 1, 64).static(),
	integer("innodb_purge_threads", 1, 32).static(),
	integer("innodb_page_cleaners", 1, 64).static(),
	integer("innodb_parallel_read_threads", 1, 256).since("8.0.14"),
	integer("innodb_ddl_threads", 1, 64).since("8.0.27"),
	integer("innodb_thread_concurrency", 0, 1000),
	integer("innodb_open_files", 10, max31).static(),
	boolean("innodb_file_per_table"),
	boolean("innodb_undo_log_truncate"),
	bytes("innodb_max_undo_log_size", 10*mib, max64),
	bytes("innodb_online_alter_log_max_size", 64*kib, max64),

	// InnoDB: transactions and statistics.
	integer("innodb_lock_wait_timeout", 1, gib),
	boolean("innodb_deadlock_detect"),
	boolean("innodb_print_all_deadlocks"),
	boolean("innodb_rollback_on_timeout").static(),
	boolean("innodb_strict_mode"),
	integer("innodb_autoinc_lock_mode", 0, 2).static(),
	boolean("innodb_stats_persistent"),
	boolean("innodb_stats_auto_recalc"),
	boolean("innodb_stats_on_metadata"),
	integer("innodb_stats_persistent_sample_pages", 1, max64),
	integer("innodb_ft_min_token_size", 0, 16).static(),
	integer("innodb_ft_max_token_size", 10, 84).static(),

	// Logs.
	boolean("general_log"),
	boolean("slow_query_log"),
	float("long_query_time", 0, oneYear),
	boolean("log_queries_not_using_indexes"),
	boolean("log_slow_admin_statements"),
	boolean("log_slow_extra").since("8.0.14"),
	integer("log_throttle_queries_not_using_indexes", 0, max32),
	integer("min_examined_row_limit", 0, max64),
	integer("log_error_verbosity", 1, 3),
	set("log_output", "TABLE", "FILE", "NONE"),
	enum("log_timestamps", "UTC", "SYSTEM"),
	boolean("performance_schema").static(),

	// Binary log and replication.
	bytes("binlog_cache_size", 4*kib, max64),
	bytes("binlog_stmt_cache_size", 4*kib, max64),
	bytes("max_binlog_size", 4*kib, gib),
	bytes("max_binlog_cache_size", 4*kib, max64),
	integer("binlog_expire_logs_seconds", 0, max32),
	integer("expire_logs_days", 0, 99).removedIn("8.4.0"),
	integer("sync_binlog", 0, max32),
	integer("binlog_group_commit_sync_delay", 0, 1000000),
	enum("binlog_row_image", "full", "minimal", "noblob"),
	enum("binlog_row_metadata", "MINIMAL", "FULL"),
	boolean("binlog_transaction_compression").since("8.0.20"),
	integer("replica_parallel_workers", 0, 1024).since("8.0.26"),
	integer("replica_net_timeout", 1, oneYear).since("8.0.26"),
	boolean("replica_preserve_commit_order").since("8.0.26"),
	boolean("replica_compressed_protocol").since("8.0.26"),

	// Accounts.
	enum("default_authentication_plugin", "mysql_native_password", "sha256_password", "caching_sha2_password").
		static().removedIn("8.4.0"),
	boolean("mysql_native_password").static().since("8.4.0").removedIn("9.0.0"),
	text("authentication_policy").since("8.0.27"),
	integer("default_password_lifetime", 0, 65535),
	integer("password_history", 0, max32),
	integer("password_reuse_interval", 0, max32),
	boolean("activate_all_roles_on_login"),
	boolean("partial_revokes").since("8.0.16"),
	set("tls_version", "TLSv1.2", "TLSv1.3"),

	// What the controller sets, and from which field or need.
	owned("port", "spec.service.port says where clients connect"),
	owned("bind_address", "the Service must reach the server"),
	owned("socket", "the probes use it"),
	owned("datadir", "the data volume is mounted there"),
	owned("basedir", "the image decides"),
	owned("tmpdir", "the image decides"),
	owned("pid_file", "the image decides"),
	owned("user", "the pod's security context decides"),
	owned("mysqlx_port", "the Service does not have it"),
	owned("server_id", "each server of the instance needs its own"),
	owned("report_host", "replicas are known by their pod's name"),
	owned("log_bin", "replication and backups need it"),
	owned("binlog_format", "replication needs ROW"),
	owned("relay_log", "replication needs a name that survives the pod"),
	owned("log_replica_updates", "replication needs it"),
	owned("gtid_mode", "replication is by GTID"),
	owned("enforce_gtid_consistency", "replication is by GTID"),
	owned("read_only", "the role of the server decides"),
	owned("super_read_only", "the role of the server decides"),
	owned("skip_replica_start", "the controller starts replication"),
	owned("log_error", "logs go to the container's output"),
	owned("require_secure_transport", "spec.tls.mode decides"),
	owned("ssl_ca", "spec.tls.secretName decides"),
	owned("ssl_cert", "spec.tls.secretName decides"),
	owned("ssl_key", "spec.tls.secretName decides"),
	owned("innodb_dedicated_server", "spec.resources sizes the server, not the node"),
	owned("lower_case_table_names", "it cannot change after the data directory is made"),
	owned("init_file", "the controller sets the root password with it"),
	owned("plugin_load", "plugins are not part of the API"),
	owned("plugin_load_add", "plugins are not part of the API"),
	owned("plugin_dir", "the image decides"),
	owned("secure_file_priv", "the pod's file system is not the client's"),
	owned("skip_grant_tables", "it would let everybody in"),
	owned("skip_networking", "the Service must reach the server"),
)

func index(list ...Variable) map[string]Variable {
	table := make(map[string]Variable, len(list))
	for _, variable := range list {
		table[variable.Name] = variable
	}
	return table
}

func boolean(name string) Variable { return Variable{Name: name, Kind: Boolean} }

func integer(name string, least, most uint64) Variable {
	return Variable{Name: name, Kind: Integer, Min: least, Max: most}
}

func bytes(name string, least, most uint64) Variable {
	return Variable{Name: name, Kind: Bytes, Min: least, Max: most}
}

func float(name string, least, most float64) Variable {
	return Variable{Name: name, Kind: Float, MinFloat: least, MaxFloat: most}
}

func enum(name string, values ...string) Variable {
	return Variable{Name: name, Kind: Enum, Values: values}
}

func set(name string, values ...string) Variable {
	return Variable{Name: name, Kind: Set, Values: values}
}

func text(name string) Variable { return Variable{Name: name, Kind: String} }

func owned(name, reason string) Variable {
	return Variable{Name: name, Kind: String, Static: true, Owned: reason}
}

func (v Variable) static() Variable { v.Static = true; return v }

func (v Variable) since(release string) Variable { v.Since = release; return v }

func (v Variable) removedIn(release string) Variable { v.RemovedIn = release; return v }
