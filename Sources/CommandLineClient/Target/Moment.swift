public import FramedMessages
internal import SwiftProtobuf

extension ProtobufTimestamp {
  /// A time that an option names, as RFC 3339 has it: `2026-11-29T12:00:00Z`, or with an offset.
  public init(option: String, _ text: String) throws(CommandLineError) {
    guard let time = try? Google_Protobuf_Timestamp(jsonString: "\"\(text)\"") else {
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "\(option) takes a date and time, not \"\(TerminalText.sanitised(text))\".",
        remedy: "For instance 2026-11-29T12:00:00Z (RFC 3339).")
    }
    self.init(seconds: time.seconds, nanos: time.nanos)
  }
}
