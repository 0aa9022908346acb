/// What a driver does with either side's core: bytes in, bytes out, time.
package protocol ConnectionCore: AnyObject {
  var now: Nanoseconds { get set }
  /// Plaintext from the peer goes here, then ``processInput()``.
  var input: ByteQueue { get }
  /// Plaintext for the peer, after ``fill()``.
  var output: ByteQueue { get }
  /// When ``advance()`` must run next.
  var nextTimer: Nanoseconds { get }
  var hasMore: Bool { get }
  var wantsRead: Bool { get }
  /// Input waits that was not worked through because ``wantsRead`` was false.
  var stoppedReading: Bool { get }
  /// Flush the output and close.
  var wantsClose: Bool { get }

  func transportEstablished()
  func processInput()
  func fill()
  func advance()
  func connectionLost(_ reason: String)
}

extension ServerConnection: ConnectionCore {}
extension ClientConnection: ConnectionCore {}
