/// The first line a supervisor writes to a child's stdin: everything the child needs to know about its one task.
public struct TaskAssignment: Sendable, Equatable {
  public var taskID: Int64
  /// Attempt number, from 1. Every effect of the child carries it.
  public var attempt: Int32
  public var operationID: Int64
  /// Job type, for instance `ingest_vector`.
  public var jobType: String
  /// Stage of the job.
  public var stage: String
  /// Version of the handler that the task was planned for.
  public var handlerVersion: Int32
  /// The job type's parameters, a JSON object as text. Opaque to supervisor and engine.
  public var parameters: String
  /// Where the child may write, nil for tasks that need no database.
  public var database: TaskDatabase?
  /// Schema made for this attempt; the child's role may create in it and nowhere else.
  public var stagingSchema: String?
  /// Directory of this attempt alone, removed by the supervisor afterwards.
  public var scratchDirectory: String
  /// Directories under which sources may be read.
  public var allowedRoots: [String]
  /// Base URL of the data API on loopback, without a trailing slash.
  public var dataAPIURL: String?
  /// The supervisor stops renewing the lease after this long without a line, in milliseconds.
  public var silenceLimitMs: Int64
  /// Address space the child may use, in bytes; nil: no limit beyond what the supervisor set.
  public var memoryLimitBytes: Int64?

  public init(
    taskID: Int64, attempt: Int32, operationID: Int64, jobType: String, stage: String, handlerVersion: Int32 = 1,
    parameters: String = "{}", database: TaskDatabase? = nil, stagingSchema: String? = nil, scratchDirectory: String,
    allowedRoots: [String] = [], dataAPIURL: String? = nil, silenceLimitMs: Int64 = 30_000,
    memoryLimitBytes: Int64? = nil
  ) {
    self.taskID = taskID
    self.attempt = attempt
    self.operationID = operationID
    self.jobType = jobType
    self.stage = stage
    self.handlerVersion = handlerVersion
    self.parameters = parameters
    self.database = database
    self.stagingSchema = stagingSchema
    self.scratchDirectory = scratchDirectory
    self.allowedRoots = allowedRoots
    self.dataAPIURL = dataAPIURL
    self.silenceLimitMs = silenceLimitMs
    self.memoryLimitBytes = memoryLimitBytes
  }

  /// The assignment as one line, newline included.
  public func line() throws(TaskProtocolError) -> [UInt8] {
    let bytes = try JSONText.encodeBytes(self)
    guard bytes.count < TaskProtocolLimits.assignmentLine else {
      throw .lineTooLong(limit: TaskProtocolLimits.assignmentLine)
    }
    return bytes + [0x0A]
  }

  /// Reads a line, with or without its newline.
  public init(line: [UInt8]) throws(TaskProtocolError) {
    self = try JSONText.decode(TaskAssignment.self, fromBytes: line)
  }
}

/// A login for the child: one slot role, one database.
public struct TaskDatabase: Codable, Sendable, Equatable {
  /// Host name, address, or the directory of the Unix socket.
  public var host: String
  public var port: Int
  public var database: String
  public var user: String
  public var password: String
  /// Names task and attempt, so that the sessions of a fenced attempt can be ended.
  public var applicationName: String
  /// Further libpq keywords, such as `sslmode`.
  public var keywords: [String: String]

  public init(
    host: String, port: Int, database: String, user: String, password: String, applicationName: String,
    keywords: [String: String] = [:]
  ) {
    self.host = host
    self.port = port
    self.database = database
    self.user = user
    self.password = password
    self.applicationName = applicationName
    self.keywords = keywords
  }
}

extension TaskAssignment: Codable {
  enum CodingKeys: String, CodingKey {
    case taskID, attempt, operationID, jobType, stage, handlerVersion, parameters, database, stagingSchema
    case scratchDirectory, allowedRoots, dataAPIURL, silenceLimitMs, memoryLimitBytes
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      taskID: try values.decode(Int64.self, forKey: .taskID),
      attempt: try values.decode(Int32.self, forKey: .attempt),
      operationID: try values.decode(Int64.self, forKey: .operationID),
      jobType: try values.decode(String.self, forKey: .jobType),
      stage: try values.decode(String.self, forKey: .stage),
      handlerVersion: try values.decode(Int32.self, forKey: .handlerVersion),
      parameters: try JSONText.encode(try values.decode(JSONValue.self, forKey: .parameters)),
      database: try values.decodeIfPresent(TaskDatabase.self, forKey: .database),
      stagingSchema: try values.decodeIfPresent(String.self, forKey: .stagingSchema),
      scratchDirectory: try values.decode(String.self, forKey: .scratchDirectory),
      allowedRoots: try values.decode([String].self, forKey: .allowedRoots),
      dataAPIURL: try values.decodeIfPresent(String.self, forKey: .dataAPIURL),
      silenceLimitMs: try values.decode(Int64.self, forKey: .silenceLimitMs),
      memoryLimitBytes: try values.decodeIfPresent(Int64.self, forKey: .memoryLimitBytes))
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(taskID, forKey: .taskID)
    try values.encode(attempt, forKey: .attempt)
    try values.encode(operationID, forKey: .operationID)
    try values.encode(jobType, forKey: .jobType)
    try values.encode(stage, forKey: .stage)
    try values.encode(handlerVersion, forKey: .handlerVersion)
    try values.encode(try JSONText.decode(JSONValue.self, from: parameters), forKey: .parameters)
    try values.encodeIfPresent(database, forKey: .database)
    try values.encodeIfPresent(stagingSchema, forKey: .stagingSchema)
    try values.encode(scratchDirectory, forKey: .scratchDirectory)
    try values.encode(allowedRoots, forKey: .allowedRoots)
    try values.encodeIfPresent(dataAPIURL, forKey: .dataAPIURL)
    try values.encode(silenceLimitMs, forKey: .silenceLimitMs)
    try values.encodeIfPresent(memoryLimitBytes, forKey: .memoryLimitBytes)
  }
}
