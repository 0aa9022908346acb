internal import Glibc
internal import Synchronization

/// One thread that lives as long as the process, starts every child (PR_SET_PDEATHSIG follows the thread that spawned) and
/// polls their pipes. There are as many children as slots, so poll(2) is enough.
final class PollThread: Sendable {
  typealias Call = @Sendable () -> Void

  /// A descriptor to watch. Lives on the thread.
  struct Watch {
    var events: Int16
    var handler: @Sendable (Int16) -> Void
  }

  /// State of the thread.
  ///
  /// `@unchecked Sendable`: only the loop and the calls it runs touch it, all of them on the thread; the precondition in
  /// `watch` and `unwatch` holds them to it.
  private final class Confined: @unchecked Sendable {
    var watches: [Int32: Watch] = [:]
  }

  /// A pipe: a byte in it wakes the loop.
  private let wakeRead: Int32
  private let wakeWrite: Int32
  private let mailbox = Mutex<[Call]>([])
  private let confined = Confined()
  private let identity = Atomic<UInt>(0)

  init() {
    var ends: [Int32] = [-1, -1]
    let made = closeOnExecPipe(&ends)
    precondition(made, "no descriptor left for the supervisor")
    wakeRead = ends[0]
    wakeWrite = ends[1]
    for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    let retained = Unmanaged.passRetained(self)
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { argument in
        // The argument is the one passed below.
        Unmanaged<PollThread>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue().loop()
        return nil
      }, retained.toOpaque())
    precondition(error == 0, "no thread could be started for the supervisor (\(error))")
    pthread_detach(thread)
  }

  /// Runs `call` on the thread.
  func perform(_ call: @escaping Call) {
    mailbox.withLock { $0.append(call) }
    var byte: UInt8 = 1
    // A full pipe wakes as well.
    _ = write(wakeWrite, &byte, 1)
  }

  func watch(_ descriptor: Int32, events: Int16, _ handler: @escaping @Sendable (Int16) -> Void) {
    precondition(identity.load(ordering: .relaxed) == UInt(pthread_self()), "not on the supervisor's thread")
    confined.watches[descriptor] = Watch(events: events, handler: handler)
  }

  func unwatch(_ descriptor: Int32) {
    precondition(identity.load(ordering: .relaxed) == UInt(pthread_self()), "not on the supervisor's thread")
    confined.watches[descriptor] = nil
  }

  private func loop() {
    identity.store(UInt(pthread_self()), ordering: .relaxed)
    while true {
      var descriptors = [pollfd(fd: wakeRead, events: Int16(POLLIN), revents: 0)]
      for (descriptor, watch) in confined.watches {
        descriptors.append(pollfd(fd: descriptor, events: watch.events, revents: 0))
      }
      guard poll(&descriptors, nfds_t(descriptors.count), -1) > 0 else { continue }
      if descriptors[0].revents != 0 {
        var bytes = [UInt8](repeating: 0, count: 4096)
        _ = read(wakeRead, &bytes, bytes.count)
      }
      for ready in descriptors.dropFirst() where ready.revents != 0 {
        // An earlier handler of this turn may have taken the descriptor away.
        confined.watches[ready.fd]?.handler(ready.revents)
      }
      let calls = mailbox.withLock { calls in
        defer { calls = [] }
        return calls
      }
      for call in calls { call() }
    }
  }
}

/// A pipe that no child inherits: CProcess closes what is not mapped, and the flag covers whatever else forks.
func closeOnExecPipe(_ ends: inout [Int32]) -> Bool {
  guard pipe(&ends) == 0 else { return false }
  for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  return true
}
