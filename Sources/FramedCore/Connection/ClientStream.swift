package import FramedMessages
internal import ProtobufFacade

/// What a client allows the server on a connection.
package struct ClientSettings: Sendable {
  package var maxFrame = Limits.floorFrame
  package var maxMessage = 4 << 20
  package var initialCredit = 262_144
  package var helloTimeout = Limits.helloTimeout
  package var agent = "framed-rpc-swift"
  package var firstStream: UInt32 = 1
  /// After a deadline, how long to wait for the server's END before sending CANCEL.
  package var cancelDelay = Nanoseconds.seconds(1)

  package init() {}

  var hello: Hello {
    var hello = Hello()
    hello.maxFrame = UInt32(maxFrame)
    hello.maxMessage = UInt32(maxMessage)
    hello.initialCredit = UInt32(initialCredit)
    hello.features = [PeerSettings.pingAckFeature]
    hello.agent = agent
    return hello
  }
}

/// One call of a client connection.
package final class ClientStream {
  enum State {
    /// No free stream yet: nothing of it is on the wire.
    case waiting
    case sending
    case sent
    case closed
  }

  /// 0 while it waits for a free stream.
  package internal(set) var id: UInt32 = 0
  package let isUnary: Bool
  /// The driver's own state.
  package var attachment: AnyObject?

  var meta: CallMeta
  let request: [UInt8]
  var state = State.waiting
  var offset = 0
  var sendWindow = SendWindow(0)
  var receiveWindow: ReceiveWindow
  var messages = MessageCredit()

  /// The message coming in.
  var partial: [UInt8] = []
  var inMessage = false
  var partialMeta: DataMeta?
  var partialConflated = false
  var partialSize: UInt64?

  var credit: UInt32 = 0
  var cancelDue: CancelReason?
  var inControlQueue = false
  var inReadyQueue = false
  /// The caller has its answer; what still comes is dropped until END.
  var answered = false

  /// Streams: the longest silence the server said it keeps, and when its patience is spent three times over.
  var silence = Limits.silenceDefault
  var silentAt = Nanoseconds.never

  var deadline: Nanoseconds
  var cancelAt = Nanoseconds.never

  init(meta: CallMeta, request: [UInt8], isUnary: Bool, receiveWindow: Int, deadline: Nanoseconds) {
    self.meta = meta
    self.request = request
    self.isUnary = isUnary
    self.receiveWindow = ReceiveWindow(receiveWindow)
    self.deadline = deadline
  }

  var nextTimer: Nanoseconds { min(min(deadline, cancelAt), silentAt) }

  /// Something of the stream came.
  func heard(_ now: Nanoseconds) { silentAt = now + Self.silences * silence }
  static let silences: Nanoseconds = 3
}

/// One DATA message or bookmark of a stream.
package struct StreamMessage: Sendable {
  package let meta: DataMeta
  /// `nil`: a bookmark.
  package let bytes: [UInt8]?
  package let conflated: Bool
}

/// What the client core tells its driver; every call comes inside a call into the core, on the same thread.
package protocol ClientConnectionDelegate: AnyObject {
  /// The server's HELLO came: calls go out.
  func opened(_ peer: PeerSettings)
  /// The call is over for its caller. Unary calls that ended with OK have a message.
  func ended(_ stream: ClientStream, _ status: EndStatus, message: [UInt8]?)
  /// A message or bookmark of a stream; the driver says ``ClientConnection/taken(_:)`` for every message.
  func message(_ stream: ClientStream, _ message: StreamMessage)
  /// No new calls on this connection any more.
  func goaway(_ goaway: Goaway)
}
