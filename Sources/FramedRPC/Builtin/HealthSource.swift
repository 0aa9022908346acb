/// Tells the built-in health service what works. Replace it with the application's own.
public protocol HealthSource: Sendable {
  /// Whether `service` ("" is the whole server) can do its work; `nil`: there is no such service. Answers from memory.
  func isServing(_ service: String) -> Bool?
  /// Calls `changed` after every change, from any thread, until the returned token is dropped.
  func subscribe(_ changed: @escaping @Sendable () -> Void) -> any AnyObject & Sendable
}
