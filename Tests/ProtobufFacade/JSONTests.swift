import FramedMessages
import KindsMessages
import ProtobufFacade
import Testing

@Suite("JSON mapping")
struct JSONTests {
  @Test("names as in the schema, enums as words, 64-bit integers as numbers, bytes as hex, defaults included")
  func scalars() {
    let message = Scalars(
      aDouble: 0.5, aFloat: 0.1, anInt64: .min, aUint64: .max, aString: "a\"\\\n\u{1}é", someBytes: [0, 0xab],
      aColour: .blueGreen, anInner: Scalars.Inner(shape: .unrecognized(9)))
    #expect(
      message.jsonObject().text
        == #"{"a_double":0.5,"a_float":0.1,"an_int32":0,"an_int64":-9223372036854775808,"a_uint32":0,"#
        + #""a_uint64":18446744073709551615,"a_sint32":0,"a_sint64":0,"a_fixed32":0,"a_fixed64":0,"an_sfixed32":0,"#
        + #""an_sfixed64":0,"a_bool":false,"a_string":"a\"\\\n\u0001é","some_bytes":"00ab","a_colour":"blue_green","#
        + #""an_inner":{"shape":9}}"#)
  }

  @Test("what is absent is left out; lists, maps and what is set are there")
  func presence() {
    #expect(Optionals().jsonObject().text == "{}")
    #expect(Optionals(anInt32: 0).jsonObject().text == #"{"an_int32":0}"#)
    #expect(Choice(chosen: .aBool(false)).jsonObject().text == #"{"a_bool":false}"#)
    #expect(Kinds(choice: Choice()).jsonObject().text == #"{"choice":{}}"#)
    let maps = Maps(strings: ["b": "2", "a": "1"], numbers: [10: 1, -2: 2, 9: 3]).jsonObject()
    #expect(maps["strings"]?.text == #"{"a":"1","b":"2"}"#)
    #expect(maps["numbers"]?.text == #"{"-2":2,"9":3,"10":1}"#)
    #expect(Lists(int64s: [1, -1]).jsonObject()["int64s"] == .array([.integer(1), .integer(-1)]))
  }

  @Test("numbers that JSON lacks are strings")
  func notNumbers() {
    let lists = Lists(doubles: [.nan, .infinity, -.infinity, 1e21, 3]).jsonObject()
    #expect(lists["doubles"]?.text == #"["NaN","Infinity","-Infinity",1e+21,3]"#)
  }

  @Test("indented for people")
  func indented() {
    #expect(
      Node(name: "n", children: [Node(name: "c")]).jsonObject().indentedText == """
        {
          "name": "n",
          "children": [
            {
              "name": "c",
              "children": [],
              "named": {}
            }
          ],
          "named": {}
        }
        """)
  }

  @Test("an enum is found by its word")
  func enumWords() {
    #expect(Colour(jsonName: "blue_green") == .blueGreen)
    #expect(Colour(jsonName: "BLUE_GREEN") == nil)
    #expect(Colour.knownCases.map(\.rawValue) == [0, 1, 2, -1])
  }

  @Test(
    "times are RFC 3339 in UTC",
    arguments: [
      (0, 0, "1970-01-01T00:00:00Z"), (-1, 999_000_000, "1969-12-31T23:59:59.999Z"),
      (951_782_400, 0, "2000-02-29T00:00:00Z"), (1_700_000_000, 123_456_000, "2023-11-14T22:13:20.123456Z"),
      (253_402_300_799, 1, "9999-12-31T23:59:59.000000001Z"), (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
      (253_402_300_800, 0, "253402300800.0"), (0, -1, "0.-1"),
    ] as [(Int64, Int32, String)])
  func timestamps(seconds: Int64, nanos: Int32, text: String) {
    #expect(ProtobufTimestamp(seconds: seconds, nanos: nanos).jsonObject() == .string(text))
  }

  @Test("times and durations convert both ways")
  func conversions() {
    for nanoseconds: Int64 in [0, 1, -1, 1_500_000_000, -1_500_000_000, .max, .min] {
      let time = ProtobufTimestamp(nanosecondsSince1970: nanoseconds)
      #expect((0..<1_000_000_000).contains(time.nanos))
      // The lowest second of all has no room for its own nanoseconds.
      if nanoseconds != .min { #expect(time.nanosecondsSince1970 == nanoseconds) }
    }
    #expect(ProtobufTimestamp(microsecondsSince1970: -1) == ProtobufTimestamp(seconds: -1, nanos: 999_999_000))
    #expect(ProtobufTimestamp(seconds: .max, nanos: 0).nanosecondsSince1970 == nil)
    for duration: Duration in [.zero, .milliseconds(1500), .milliseconds(-1500), .nanoseconds(7)] {
      #expect(ProtobufDuration(duration).duration == duration)
    }
    #expect(ProtobufDuration(.milliseconds(-1500)).jsonObject() == .string("-1.500s"))
    #expect(ProtobufDuration(.seconds(3)).jsonObject() == .string("3s"))
  }
}
