import CPostgreSQL
import Synchronization

/// One session with the server: libpq's connection, kept in pipeline mode, and the queue of requests for it. All of its state
/// belongs to the database thread; one request is under way at a time, so that a cancellation can only hit the request it
/// is meant for.
actor Session {
  nonisolated let thread: DatabaseThread
  nonisolated let backendProcessID: Int32
  private nonisolated let open = Atomic(true)

  /// nil once the session has ended.
  private(set) var connection: OpaquePointer?
  private let socket: Int32
  private var token: UInt64?
  private var interest: DatabaseThread.SocketEvents = .readable

  private var waiting: [Request] = []
  var exchange: Exchange?
  /// Who has the session to itself, and how its transaction begins.
  private var owner: UInt64?
  private var begin: String?
  /// Cancel requests that a helper thread is still delivering: nothing new starts meanwhile, or they could hit it.
  private var cancellations = 0
  var statements = StatementCache()
  /// A COPY's writer that waits until the socket has taken what it wrote.
  private var writer: CheckedContinuation<PostgresError?, Never>?

  private var notificationHandler: (@Sendable ([ChannelNotification]) -> Void)?
  private var closeHandlers: [@Sendable () -> Void] = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private static let identifiers = Atomic<UInt64>(1)
  static func nextIdentifier() -> UInt64 { identifiers.wrappingAdd(1, ordering: .relaxed).oldValue }

  init(_ opened: OpenedConnection, on thread: DatabaseThread) {
    self.thread = thread
    connection = opened.raw
    socket = PQsocket(opened.raw)
    backendProcessID = PQbackendPID(opened.raw)
  }

  /// Opens a session on a helper thread, then hands it to the database thread.
  static func open(_ settings: ConnectionSettings, on thread: DatabaseThread) async throws(PostgresError) -> Session {
    let keywords = settings.libpqKeywords()
    let opened = try await BlockingCall.run(name: "pg-connect") { OpenedConnection.connect(keywords) }.get()
    let session = Session(opened, on: thread)
    try await session.activate()
    return session
  }

  private func activate() throws(PostgresError) {
    // `connection` is set until the session ends, and nobody has seen it yet.
    guard let connection, PQsetnonblocking(connection, 1) == 0, PQenterPipelineMode(connection) == 1 else {
      throw PostgresError(.connectionLost, "the session cannot be driven without blocking")
    }
    token = thread.watch(socket, for: .readable) { [self] events in
      self.assumeIsolated { $0.socketReady(events) }
    }
    guard token != nil else {
      end(PostgresError(.connectionLost, "the session's socket cannot be polled"))
      throw PostgresError(.connectionLost, "the session's socket cannot be polled")
    }
  }

  // MARK: From any thread

  nonisolated var isOpen: Bool { open.load(ordering: .acquiring) }

  nonisolated func close() {
    thread.perform {
      self.assumeIsolated { $0.end(PostgresError(.connectionLost, "the connection was closed")) }
    }
  }

  /// Calls `handler` on the database thread once the session has ended (at once if it has).
  nonisolated func onClose(_ handler: @escaping @Sendable () -> Void) {
    thread.perform {
      self.assumeIsolated { session in
        if session.connection == nil { handler() } else { session.closeHandlers.append(handler) }
      }
    }
  }

  /// Calls `handler` on the database thread with what came together.
  nonisolated func onNotifications(_ handler: @escaping @Sendable ([ChannelNotification]) -> Void) {
    thread.perform { self.assumeIsolated { $0.notificationHandler = handler } }
  }

  nonisolated func run(
    _ statements: [PostgresStatement], owner: UInt64?, commits: Bool = false
  ) async throws(PostgresError) -> [PGResult] {
    try await submit(.statements(statements, commits: commits), owner: owner).get()
  }

  nonisolated func execute(script: String, owner: UInt64?) async throws(PostgresError) {
    _ = try await submit(.script(script), owner: owner).get()
  }

  /// Waits for the session's turn and takes it for a transaction.
  nonisolated func acquire(begin: String) async throws(PostgresError) -> UInt64 {
    let owner = Self.nextIdentifier()
    _ = try await submit(.acquire(begin: begin), owner: owner).get()
    return owner
  }

  nonisolated func commit(owner: UInt64) async throws(PostgresError) {
    _ = try await submit(.statements([], commits: true), owner: owner, cancellable: false).get()
  }

  /// Ends the ownership; what is still open is rolled back.
  nonisolated func release(owner: UInt64) async {
    // A session that has ended is released, too.
    _ = await submit(.release, owner: owner, cancellable: false)
  }

  nonisolated func submit(
    _ work: Request.Work, owner: UInt64?, cancellable: Bool = true
  ) async -> Result<[PGResult], PostgresError> {
    let cancelled = Request.Cancellation()
    let identifier = Self.nextIdentifier()
    func wait() async -> Result<[PGResult], PostgresError> {
      await withCheckedContinuation { continuation in
        let request = Request(
          identifier: identifier, owner: owner, work: work, cancelled: cancelled, continuation: continuation)
        thread.perform { self.assumeIsolated { $0.accept(request) } }
      }
    }
    guard cancellable else { return await wait() }
    return await withTaskCancellationHandler {
      await wait()
    } onCancel: {
      cancelled.flag.store(true, ordering: .releasing)
      thread.perform { self.assumeIsolated { $0.cancel(identifier) } }
    }
  }

  // MARK: The queue

  private func accept(_ request: Request) {
    if connection == nil { return request.reply(.failure(PostgresError(.connectionLost, "the session has ended"))) }
    if request.cancelled.flag.load(ordering: .acquiring) { return request.reply(.failure(.cancelledBeforeSending)) }
    if let owner = request.owner, owner != self.owner, !request.work.isAcquire {
      return request.reply(.failure(PostgresError(.protocolMisuse, "the transaction has ended")))
    }
    waiting.append(request)
    startNext()
  }

  private func startNext() {
    while exchange == nil, cancellations == 0, connection != nil {
      guard let index = waiting.firstIndex(where: { owner == nil || $0.owner == owner }) else { return }
      let request = waiting.remove(at: index)
      switch request.work {
      case .acquire(let begin):
        owner = request.owner
        self.begin = begin
        request.reply(.success([]))
      case .release where !isInTransaction:
        releaseOwner()
        request.reply(.success([]))
      case .statements(let none, commits: true) where none.isEmpty && !isInTransaction:
        request.reply(.success([]))
      default:
        exchange = Exchange(request, begin: request.owner != nil && !isInTransaction ? begin : nil)
        proceed()
      }
    }
  }

  private func releaseOwner() {
    owner = nil
    begin = nil
  }

  private var isInTransaction: Bool {
    guard let connection else { return false }
    return PQtransactionStatus(connection) != PQTRANS_IDLE
  }

  /// Ends the exchange and starts what waits; the reply goes last, so that the server works while the caller wakes up.
  func finish(_ outcome: Result<[PGResult], PostgresError>) {
    guard let exchange else { return }
    self.exchange = nil
    if case .release = exchange.request.work { releaseOwner() }
    if exchange.request.owner == nil, isInTransaction {
      // A bare BEGIN on a shared session: whoever comes next would be inside it.
      let misuse = PostgresError(.protocolMisuse, "the request left a transaction open: use transaction(_:)")
      end(misuse)
      exchange.request.reply(.failure(misuse))
      return
    }
    startNext()
    exchange.request.reply(outcome)
  }

  // MARK: Cancelling

  private func cancel(_ identifier: UInt64) {
    if let index = waiting.firstIndex(where: { $0.identifier == identifier }) {
      waiting.remove(at: index).reply(.failure(.cancelledBeforeSending))
      return
    }
    guard let exchange, exchange.request.identifier == identifier, let connection, let raw = PQgetCancel(connection)
    else { return }
    exchange.cancelRequested = true
    cancellations += 1
    let handle = CancelHandle(raw: raw)
    // PQcancel opens a connection of its own and waits for its end.
    BlockingCall.detach(name: "pg-cancel") { [self] in
      handle.send()
      thread.perform {
        self.assumeIsolated { session in
          session.cancellations -= 1
          session.startNext()
        }
      }
    }
  }

  // MARK: The socket

  private func socketReady(_ events: DatabaseThread.SocketEvents) {
    guard let connection else { return }
    if events.contains(.writable) { flush() }
    guard events.contains(.readable), self.connection != nil else { return }
    guard PQconsumeInput(connection) == 1 else { return lose(connection) }
    readResults(connection)
    readNotifications()
  }

  /// Sends what libpq holds; asks to be told when the socket takes more.
  func flush() {
    guard let connection else { return }
    let outcome = PQflush(connection)
    if outcome < 0 {
      // The server may have said why before it went.
      _ = PQconsumeInput(connection)
      readResults(connection)
      if self.connection != nil { lose(connection) }
      return
    }
    let wanted: DatabaseThread.SocketEvents = outcome == 1 ? [.readable, .writable] : .readable
    if wanted != interest, let token {
      interest = wanted
      thread.change(socket, token: token, to: wanted)
    }
    if outcome == 0, let writer {
      self.writer = nil
      writer.resume(returning: nil)
    }
  }

  private func readNotifications() {
    guard let connection else { return }
    var batch: [ChannelNotification] = []
    while let notification = PQnotifies(connection) {
      let message = Notification.message(
        payload: String(cString: notification.pointee.extra), processID: notification.pointee.be_pid)
      batch.append(ChannelNotification(channel: String(cString: notification.pointee.relname), notification: message))
      PQfreemem(notification)
    }
    if !batch.isEmpty { notificationHandler?(batch) }
  }

  /// Lets a COPY's writer wait until the socket has taken what was written.
  func waitForSocket(_ continuation: CheckedContinuation<PostgresError?, Never>) {
    if interest.contains(.writable) { writer = continuation } else { continuation.resume(returning: nil) }
  }

  // MARK: The end

  private func lose(_ connection: OpaquePointer) {
    let text = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
    var error = exchange?.error ?? PostgresError(.connectionLost, text.trimmed)
    error.kind = .connectionLost
    end(error)
  }

  /// Closes the session and fails whatever depends on it.
  func end(_ error: PostgresError) {
    guard let connection else { return }
    self.connection = nil
    open.store(false, ordering: .releasing)
    if let token { thread.unwatch(socket, token: token) }
    token = nil
    PQfinish(connection)
    releaseOwner()
    let failed = exchange
    let neverSent = waiting
    exchange = nil
    waiting = []
    writer?.resume(returning: error)
    writer = nil
    if let failed { failed.request.reply(.failure(failed.lossError(error))) }
    for request in neverSent { request.reply(.failure(PostgresError(.connectionLost, error.message))) }
    let handlers = closeHandlers
    closeHandlers = []
    notificationHandler = nil
    for handler in handlers { handler() }
  }
}

extension PostgresError {
  static let cancelledBeforeSending = PostgresError(.cancelled, "the task was cancelled before the statement was sent")
}
