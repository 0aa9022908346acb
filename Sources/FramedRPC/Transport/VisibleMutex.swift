#if THREAD_SANITIZER
  internal import NIOConcurrencyHelpers

  /// In place of Synchronization's, for runs under the thread sanitizer: that one's lock is a futex the sanitizer does not know,
  /// so that it would report everything the lock protects.
  ///
  /// Unchecked: `value` is touched under the lock only.
  final class Mutex<Value>: @unchecked Sendable {
    private let lock = NIOLock()
    private var value: Value

    init(_ value: consuming sending Value) { self.value = value }

    func withLock<Result, Failure: Error>(
      _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
      lock.lock()
      defer { lock.unlock() }
      return try body(&value)
    }
  }
#endif
