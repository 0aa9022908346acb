internal import FramedCore
internal import NIOCore
internal import Synchronization

/// Runs tasks and posted work on one event loop, whatever thread they come from.
///
/// Work is collected in a mailbox: the first piece wakes the loop, the rest rides along, so that a burst from another
/// thread costs one wake-up.
final class LoopExecutor: TaskExecutor {
  private enum Work {
    case job(UnownedJob)
    case action(@Sendable () -> Void)
  }

  private struct Mailbox {
    var work: [Work] = []
    var wakePending = false
  }

  let loop: any EventLoop
  private let mailbox = Mutex(Mailbox())
  /// Of a server's loop.
  let handshakes = HandshakeTurns()
  let readBuffers = ReadBuffers()
  let writeBuffers = WriteBuffers()
  /// Touched on the loop only.
  nonisolated(unsafe) let blocks = BlockPool()

  init(_ loop: any EventLoop) {
    self.loop = loop
  }

  func enqueue(_ job: consuming ExecutorJob) {
    post(.job(UnownedJob(job)))
  }

  /// Runs `action` on the loop, after everything posted before it.
  func post(_ action: @escaping @Sendable () -> Void) {
    post(.action(action))
  }

  /// Whether the caller is on the loop.
  var isCurrent: Bool { loop.inEventLoop }

  /// Runs `action` now when this is the loop, else as ``post(_:)``.
  func run(_ action: @escaping @Sendable () -> Void) {
    if isCurrent { action() } else { post(.action(action)) }
  }

  private func post(_ work: Work) {
    let wake = mailbox.withLock { mailbox in
      mailbox.work.append(work)
      defer { mailbox.wakePending = true }
      return !mailbox.wakePending
    }
    if wake { loop.execute { self.drain() } }
  }

  /// What work leaves behind for after it (a flush) runs in the same turn of the loop. A flood has its turn, and then the
  /// sockets have theirs.
  private func drain() {
    for _ in 0..<Self.passes {
      let work = mailbox.withLock { mailbox in
        mailbox.wakePending = !mailbox.work.isEmpty
        defer { mailbox.work = [] }
        return mailbox.work
      }
      if work.isEmpty { return }
      for piece in work {
        switch piece {
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case .action(let action): action()
        }
      }
    }
    loop.execute { self.drain() }
  }

  private static let passes = 4
}

/// The pace of a loop's handshakes. A lock that is never waited for: connections are accepted on their own loop.
final class HandshakeTurns: Sendable {
  private let pace = Mutex(HandshakePace())

  func turn(_ now: UInt64) -> UInt64? { pace.withLock { $0.turn(now) } }
}
