internal import Glibc

/// A thread of the operating system, for work that blocks. Joined once, by whoever started it.
struct Thread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let handle: pthread_t

  /// Nil: there is no thread to be had.
  init?(_ run: @escaping @Sendable () -> Void) {
    var handle = pthread_t()
    let body = Unmanaged.passRetained(Body(run))
    let started = pthread_create(
      &handle, nil,
      { state in
        Unmanaged<Body>.fromOpaque(state!).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    guard started == 0 else {
      body.release()
      return nil
    }
    self.handle = handle
  }

  /// Waits for its end.
  func join() { pthread_join(handle, nil) }
}
