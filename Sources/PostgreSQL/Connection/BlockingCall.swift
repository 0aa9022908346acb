import CProcess
import Glibc

/// Runs calls that wait (opening a session, asking for a cancellation, running initdb) on a thread of their own, so that
/// neither the database thread nor Swift's pool of threads stands still.
enum BlockingCall {
  private final class Body: Sendable {
    let name: String
    let run: @Sendable () -> Void
    init(name: String, run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Starts a thread that ends with `body`.
  static func detach(name: String, _ body: @escaping @Sendable () -> Void) {
    let retained = Unmanaged.passRetained(Body(name: name, run: body))
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let error = pthread_create(
      &thread, &attributes,
      { argument in
        // The argument is the one passed below.
        let body = Unmanaged<Body>.fromOpaque(argument.unsafelyUnwrapped).takeRetainedValue()
        cprocess_name_thread(body.name)
        body.run()
        return nil
      }, retained.toOpaque())
    precondition(error == 0, "no thread could be started (\(error))")
  }

  /// The result of a call that waits.
  static func run<T: Sendable>(name: String, _ body: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
      detach(name: name) { continuation.resume(returning: body()) }
    }
  }
}
