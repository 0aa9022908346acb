import CPostgreSQL
import Glibc
import Synchronization

/// A thread that polls the sockets of any number of database sessions, and runs what belongs to them: libpq never blocks
/// it. It is an executor: session state is an actor's on this thread, and group commit's tasks run on it, so that a batch
/// needs no hop between threads.
///
/// Keep long computations off it: everything of every session on it waits.
public final class DatabaseThread: SerialExecutor, TaskExecutor, Sendable {
  public let name: String
  private let poll: Int32
  private let wake: Int32
  /// 0 until the thread runs.
  private let identity = Atomic<UInt>(0)
  private let mailbox = Mutex(Mailbox())
  private let sockets = Mutex(Sockets())

  private enum Work {
    case job(UnownedJob)
    case call(@Sendable () -> Void)
  }
  private struct Mailbox {
    var work: [Work] = []
    var wakePending = false
    var stopping = false

    mutating func wakeNeeded() -> Bool {
      if wakePending { return false }
      wakePending = true
      return true
    }
  }
  private struct Sockets {
    var next: UInt64 = 1
    var handlers: [UInt64: @Sendable (SocketEvents) -> Void] = [:]
  }

  /// What a socket is ready for.
  struct SocketEvents: OptionSet, Sendable {
    let rawValue: UInt32
    static let readable = SocketEvents(rawValue: EPOLLIN.rawValue)
    static let writable = SocketEvents(rawValue: EPOLLOUT.rawValue)
  }

  /// Starts the thread. It runs until ``shutdown()``.
  public init(name: String = "database") {
    self.name = name
    poll = epoll_create1(Int32(EPOLL_CLOEXEC))
    wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    // Both fail only when the process or the machine has no descriptor left: nothing can be served then.
    precondition(poll >= 0 && wake >= 0, "no descriptors left for the database thread")
    var event = epoll_event()
    event.events = EPOLLIN.rawValue
    event.data.u64 = 0
    epoll_ctl(poll, EPOLL_CTL_ADD, wake, &event)
    BlockingCall.detach(name: name) { self.loop() }
  }

  /// Ends the thread once it has run what was handed to it before. Close the sessions first.
  public func shutdown() {
    let signal = mailbox.withLock { mailbox in
      mailbox.stopping = true
      return mailbox.wakeNeeded()
    }
    if signal { ring() }
  }

  /// Whether the caller is on this thread.
  public var isCurrent: Bool { identity.load(ordering: .relaxed) == UInt(pthread_self()) }

  /// Runs `call` on the thread: at once when already there, else in the order of arrival.
  func perform(_ call: @escaping @Sendable () -> Void) {
    if isCurrent { call() } else { post(.call(call)) }
  }

  /// Runs `call` on the thread after what has been enqueued before, never inline.
  func enqueue(_ call: @escaping @Sendable () -> Void) { post(.call(call)) }

  private func post(_ work: Work) {
    let current = isCurrent
    let signal = mailbox.withLock { mailbox in
      mailbox.work.append(work)
      // On the thread itself the loop looks into the mailbox before it sleeps.
      return current ? false : mailbox.wakeNeeded()
    }
    if signal { ring() }
  }

  private func ring() {
    var one: UInt64 = 1
    _ = write(wake, &one, 8)
  }

  // MARK: Executor

  public func enqueue(_ job: consuming ExecutorJob) { post(.job(UnownedJob(job))) }

  public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

  public func checkIsolated() { precondition(isCurrent, "not on database thread \(name)") }

  public func isIsolatingCurrentContext() -> Bool? { isCurrent }

  // MARK: Sockets (called on the thread)

  func watch(_ socket: Int32, for events: SocketEvents, _ handler: @escaping @Sendable (SocketEvents) -> Void)
    -> UInt64?
  {
    let token = sockets.withLock { sockets in
      let token = sockets.next
      sockets.next += 1
      sockets.handlers[token] = handler
      return token
    }
    guard control(EPOLL_CTL_ADD, socket, token, events) else {
      sockets.withLock { $0.handlers[token] = nil }
      return nil
    }
    return token
  }

  func change(_ socket: Int32, token: UInt64, to events: SocketEvents) {
    _ = control(EPOLL_CTL_MOD, socket, token, events)
  }

  func unwatch(_ socket: Int32, token: UInt64) {
    _ = control(EPOLL_CTL_DEL, socket, token, [])
    sockets.withLock { $0.handlers[token] = nil }
  }

  private func control(_ operation: Int32, _ socket: Int32, _ token: UInt64, _ events: SocketEvents) -> Bool {
    var event = epoll_event()
    event.events = events.rawValue
    event.data.u64 = token
    return epoll_ctl(poll, operation, socket, &event) == 0
  }

  // MARK: Loop

  private func loop() {
    identity.store(UInt(pthread_self()), ordering: .relaxed)
    var events = [epoll_event](repeating: epoll_event(), count: 64)
    while true {
      let (idle, stopping) = mailbox.withLock { ($0.work.isEmpty, $0.stopping) }
      if stopping && idle { break }
      let count = epoll_wait(poll, &events, Int32(events.count), idle ? -1 : 0)
      for index in 0..<max(0, Int(count)) {
        let event = events[index]
        guard event.data.u64 != 0 else {
          var value: UInt64 = 0
          _ = read(wake, &value, 8)
          continue
        }
        let handler = sockets.withLock { $0.handlers[event.data.u64] }
        var ready: SocketEvents = []
        if event.events & EPOLLOUT.rawValue != 0 { ready.insert(.writable) }
        // An error or a hang-up is learned by reading.
        if event.events & ~EPOLLOUT.rawValue != 0 { ready.insert(.readable) }
        handler?(ready)
      }
      // What a job enqueues in turn is run before the sockets are asked again; they have their turn all the same.
      for _ in 0..<Self.passes { guard runMailbox() else { break } }
    }
    identity.store(0, ordering: .relaxed)
    close(poll)
    close(wake)
  }

  private static let passes = 16

  /// False: there was nothing in it.
  private func runMailbox() -> Bool {
    let work = mailbox.withLock { mailbox -> [Work] in
      mailbox.wakePending = false
      let work = mailbox.work
      mailbox.work = []
      return work
    }
    for item in work {
      switch item {
      case .call(let call): call()
      case .job(let job):
        job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
      }
    }
    return !work.isEmpty
  }
}
