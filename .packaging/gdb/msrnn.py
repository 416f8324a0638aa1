"""A lane as gdb shows it: its tokens with slot, position, arrival and rating. In gdb: source msrnn.py"""

import gdb
import gdb.printing

VACANT = 1 << 63  # msrnn::no_arrival


def numbers(vector, count):
    """The first numbers of a std::vector of libstdc++ or libc++."""
    fields = [field.name for field in vector.type.strip_typedefs().fields()]
    first = vector["__begin_"] if "__begin_" in fields else vector["_M_impl"]["_M_start"]
    return [first[i] for i in range(count)]


class LanePrinter:
    """A msrnn::Lane, or a table of tokens."""

    def __init__(self, value):
        if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            value = value.referenced_value()
        base = value.type.strip_typedefs().name.split("<")[0]
        self.table = value["table_"] if base.endswith("::Lane") else value
        self.budget = value["budget_"] if base.endswith("::Lane") else None

    def tokens(self):
        slots, extent = self.table["slots_"], int(self.table["counts_"]["extent"])
        columns = [numbers(slots[name], extent) for name in ("arrivals", "positions", "ratings")]
        for slot, (arrival, position, rating) in enumerate(zip(*columns)):
            if int(arrival) < VACANT:
                yield slot, int(position["value_"]), int(arrival), float(rating)

    def to_string(self):
        counts = self.table["counts_"]
        live = sum(1 for _ in self.tokens())
        text = "%d tokens in %d rows, %d seen, %d evicted" % (live, counts["extent"], counts["seen"], counts["evictions"])
        if self.budget is not None and int(self.budget) != (1 << 64) - 1:
            text += ", budget %d" % self.budget
        return text

    def children(self):
        for slot, position, arrival, rating in self.tokens():
            yield "[%d]" % slot, "position %d, arrival %d, rating %g" % (position, arrival, rating)


class NumberPrinter:
    """A msrnn::Slot or a msrnn::Position, which hold one number."""

    def __init__(self, value, field):
        self.value, self.field = value, field

    def to_string(self):
        return str(int(self.value[self.field]))


def printers():
    made = gdb.printing.RegexpCollectionPrettyPrinter("msrnn")
    made.add_printer("lane", r"^msrnn::v\w+::(Lane|SlotTable|TokenTable)<.*>$", LanePrinter)
    made.add_printer("slot", r"^msrnn::v\w+::Slot$", lambda value: NumberPrinter(value, "row_"))
    made.add_printer("position", r"^msrnn::v\w+::Position$", lambda value: NumberPrinter(value, "value_"))
    return made


gdb.printing.register_pretty_printer(None, printers(), replace=True)
