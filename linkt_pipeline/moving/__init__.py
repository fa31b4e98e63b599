"""Moves a deployment from a warehouse file to a lake, or back: rows, models, the ledger and the request budget.

The source is in use until the target is proven to hold the same. Then the source is taken out of use in one step, and
the target into use in another. So at no moment both can be used, and a process that is killed between the two steps
leaves neither: every command says so, and the move, started again, takes the second step.
"""
