/// How an engine works. Times are defaults of the product; tests shorten them.
public struct CoreMachineSettings: Sendable {
  /// Names the machine and its data: ledger entries that only this machine reaches carry it, and an engine that starts
  /// under the same name knows that its predecessor and its children are dead.
  public var host: String
  /// Where attempts get their scratch directories. Nothing else may live there: it is emptied at start.
  public var scratchRoot: String
  /// As many tasks run at once; empty: this engine claims none.
  public var slots: [WorkerSlot]
  /// Where children reach the database; nil: no task needs it.
  public var childDatabase: ChildDatabase?
  /// Handed to every child.
  public var allowedRoots: [String] = []
  public var dataAPIURL: String?
  /// Address space of a child in bytes; nil: no limit.
  public var memoryLimitBytes: Int64?

  /// A lease holds this long after its last renewal, by the database's clock.
  public var lease: Duration = .seconds(9)
  public var renewal: Duration = .seconds(3)
  /// The fallback where a notification was missed; each wait is this, give or take a fifth.
  public var poll: Duration = .seconds(1)
  /// A child asked to stop is killed after this long.
  public var cancelGrace: Duration = .milliseconds(1500)
  /// Progress is written at most this often an operation.
  public var progressInterval: Duration = .seconds(1)
  /// Lost leases that fail a task with CRASH_LOOP.
  public var crashLoop = 20
  /// How long adopting and completing may take before the attempt is given up.
  public var settleLimit: Duration = .seconds(600)
  /// What failed or cancelled operations built is kept this long for a retry.
  public var retryWindow: Duration = .seconds(24 * 3600)
  /// Tasks leave this long after their operation ended.
  public var taskRetention: Duration = .seconds(30 * 24 * 3600)
  /// Events older than this go, a month at a time.
  public var eventRetentionMonths = 12
  /// How often garbage is collected and old rows are forgotten.
  public var garbageInterval: Duration = .seconds(5)
  public var retentionInterval: Duration = .seconds(600)
  /// A duty whose engine says nothing for this long is given to another.
  public var dutyLease: Duration = .seconds(120)
  /// No task is claimed while the scratch file system has less than this, plus the largest queued input, free.
  public var diskReserveBytes: Int64 = 2 << 30

  public init(
    host: String, scratchRoot: String, slots: [WorkerSlot], childDatabase: ChildDatabase? = nil
  ) {
    self.host = host
    self.scratchRoot = scratchRoot
    self.slots = slots
    self.childDatabase = childDatabase
  }
}

/// A place for one running task, and the database role its child logs in as.
public struct WorkerSlot: Sendable {
  /// `terrane_task_0`. The caller has set the password; the role may do nothing but what the engine grants it.
  public var role: String?
  public var password: String

  public init(role: String? = nil, password: String = "") {
    self.role = role
    self.password = password
  }
}

/// Where children reach the database.
public struct ChildDatabase: Sendable {
  /// Host name, address, or the directory of the Unix socket.
  public var host: String
  public var port: Int
  public var database: String
  /// Further libpq keywords, such as `sslmode`.
  public var keywords: [String: String]

  public init(host: String, port: Int, database: String, keywords: [String: String] = [:]) {
    self.host = host
    self.port = port
    self.database = database
    self.keywords = keywords
  }
}
