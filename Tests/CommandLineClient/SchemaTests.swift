import CommandLineClient
import Foundation
import FramedMessages
import KindsMessages
import ProtobufFacade
import TerraneMessages
import Testing

/// What is said of a message without knowing its type is what its type says.
@Suite("Messages by their schema")
struct SchemaTests {
  /// Of Tests/Kinds/kinds.proto, as protoc describes it.
  private static let kinds = Result { () throws -> Schema in
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "protoc", "-I", tests.path + "/Kinds", "-I", "/usr/include", "--include_imports", "--include_source_info",
      "--descriptor_set_out=/dev/stdout", "kinds.proto",
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return try Schema(services: [], fileDescriptorSet: [UInt8](bytes))
  }

  private static func kinds(_ fill: (inout Kinds) -> Void) -> Kinds {
    var message = Kinds()
    fill(&message)
    return message
  }

  static let examples: [Kinds] = [
    Kinds(),
    kinds {
      $0.plain = Scalars(
        aDouble: 1.5e300, aFloat: -0.25, anInt32: .min, anInt64: .min, aUint32: .max, aUint64: .max, aSint32: .min,
        aSint64: .min, aFixed32: .max, aFixed64: .max, anSfixed32: .min, anSfixed64: .min, aBool: true,
        aString: "värde 🌍 \"quoted\"\n", someBytes: [0, 255], aColour: .blueGreen, anInner: Scalars.Inner(shape: .round)
      )
    },
    kinds { $0.plain = Scalars(anInt64: .max, aSint32: -1, aSint64: .max, anSfixed64: 1, aColour: .infra) },
    kinds { $0.optionals = Optionals() },
    kinds {
      $0.optionals = Optionals(
        aDouble: 0, aFloat: 0, anInt32: 0, anInt64: 0, aUint32: 0, aUint64: 0, aSint32: 0, aSint64: 0, aFixed32: 0,
        aFixed64: 0, anSfixed32: 0, anSfixed64: 0, aBool: false, aString: "", someBytes: [], aColour: .unspecified,
        anInner: Scalars.Inner())
    },
    kinds {
      $0.lists = Lists(
        doubles: [0, 1, -.infinity], floats: [0.5, .infinity], int32s: [-1, 0, 1], int64s: [-1], uint32s: [7],
        uint64s: [1, 2], sint32s: [-1, 1], sint64s: [-2], fixed32s: [3], fixed64s: [4, 5], sfixed32s: [-6],
        sfixed64s: [-7], bools: [true, false, true], strings: ["", "a"], byteStrings: [[], [1]],
        colours: [.red, .infra], inners: [Scalars.Inner(), Scalars.Inner(shape: .round)], unpacked: [1, 0, 2])
    },
    kinds {
      $0.maps = Maps(
        strings: ["a": "1", "b": "2", "": ""], numbers: [0: 0, -5: 5], doubles: [-1: 2, 1: 1], floats: [9: 0],
        byteStrings: [.max: [0], 0: []], colours: [true: .red, false: .unspecified],
        inners: ["x": Scalars.Inner(), "y": Scalars.Inner(shape: .round)])
    },
    kinds { $0.choice = Choice(chosen: .aDouble(0), second: .right("")) },
    kinds { $0.choice = Choice(chosen: .another(Choice(chosen: .aBool(false)))) },
    kinds {
      $0.tree = Node(
        name: "a", next: Node(name: "b", next: Node()), children: [Node(name: "c"), Node()],
        named: ["d": Node(name: "e")])
    },
    kinds {
      $0.time = ProtobufTimestamp(seconds: 1_764_417_600, nanos: 5_000_000)
      $0.length = ProtobufDuration(.milliseconds(3500))
    },
  ]

  @Test("bytes become the JSON that the type writes", arguments: examples)
  func decodes(_ message: Kinds) throws {
    let json = try Self.kinds.get().decode(message.protobufBytes(), as: "kinds.v1.Kinds")
    #expect(sorted(json) == sorted(message.jsonObject()))
  }

  @Test("JSON becomes a message again", arguments: examples)
  func encodes(_ message: Kinds) throws {
    let bytes = try Self.kinds.get().encode(message.jsonObject().text, as: "kinds.v1.Kinds")
    #expect(try Kinds(protobuf: bytes) == message)
  }

  /// Maps have an order of their own on each side.
  private func sorted(_ value: JSONValue) -> JSONValue {
    switch value {
    case .object(let members):
      .object(members.map { .init($0.name, sorted($0.value)) }.sorted { $0.name < $1.name })
    case .array(let elements): .array(elements.map(sorted))
    // Equal numbers, whatever they were read as.
    case .unsigned(let number): Int64(exactly: number).map { .integer($0) } ?? value
    case .number(let number): Int64(exactly: number).map { .integer($0) } ?? value
    default: value
    }
  }

  @Test(
    "bytes that are no such message are refused", arguments: [[0xff], [0x0a, 5, 1], [0x0b], [0x0a, 2, 0x08, 0x80]])
  func broken(_ bytes: [UInt8]) throws {
    #expect(throws: CommandLineError.self) { try Self.kinds.get().decode(bytes, as: "kinds.v1.Kinds") }
  }

  @Test("a message that goes too deep is refused")
  func deep() throws {
    var node = Node(name: "x")
    for _ in 0..<200 { node = Node(next: node) }
    #expect(throws: CommandLineError.self) { try Self.kinds.get().decode(node.protobufBytes(), as: "kinds.v1.Node") }
  }

  @Test("fields of later versions are left out")
  func unknown() throws {
    let json = try Self.kinds.get().decode([0xF8, 0x7F, 1], as: "kinds.v1.Node")
    #expect(json == Node().jsonObject())
  }

  @Test("a schema is shown as it was written")
  func shown() throws {
    let schema = try Self.kinds.get()
    #expect(try schema.description(of: "Choice").contains("  // What was chosen.") == false)
    #expect(try schema.description(of: "Choice").contains("  double a_double = 1  // one of chosen\n"))
    #expect(try schema.description(of: "Colour").contains("  // Between blue and green.\n  COLOUR_BLUE_GREEN = 2"))
    #expect(try schema.description(of: "Maps").contains("  map<sint64, double> doubles = 3\n"))
    #expect(try schema.description(of: "Optionals").contains("  optional bytes some_bytes = 15\n"))
    #expect(try schema.description(of: "kinds.v1.Lists").contains("  repeated Scalars.Inner") == false)
    #expect(throws: CommandLineError.self) { try schema.description(of: "Nothing") }
  }
}
